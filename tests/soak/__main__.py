"""``python -m tests.soak [CALLS]``: 200,000 mixed calls per flavour, and nothing left of them."""

from __future__ import annotations

import sys
import tempfile

from tests.soak import asynchronous, blocking


def main() -> int:
    """Run both flavours; 1 when anything is left."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    failed = False
    for name, run in (("sync", blocking.run), ("asyncio", asynchronous.run)):
        with tempfile.TemporaryDirectory() as folder:
            rate, found = run(calls, folder)
        print(f"{name}: {calls} mixed calls, {rate:.0f} a second; left behind:", end=" ")
        print("; ".join(found[:5]) or "nothing", flush=True)
        failed |= bool(found)
    return int(failed)


sys.exit(main())
