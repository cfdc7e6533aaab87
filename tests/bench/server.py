"""Our servers, for a process of their own: ``python -m tests.bench.server FLAVOUR ADDRESS``."""

from __future__ import annotations

import asyncio
import sys

from tests.bench.loops import LOOPS
from tests.interop.service import INTEROP, AioInterop, SyncInterop
from toolkit import aio, sync

__all__: list[str] = []


def main(flavour: str, address: str) -> None:
    """Serve until the process is ended."""
    if flavour == "sync":
        _block(address)
    else:
        with asyncio.Runner(loop_factory=LOOPS[flavour]) as runner:
            runner.run(_serve(address))


def _block(address: str) -> None:
    server = sync.Server()
    server.add(INTEROP, SyncInterop())
    with server.listen(address):
        print("listening", flush=True)
        server.serve_forever()


async def _serve(address: str) -> None:
    server = aio.Server()
    server.add(INTEROP, AioInterop())
    async with server.listen(address):
        print("listening", flush=True)
        await asyncio.get_running_loop().create_future()  # until the signal


if __name__ == "__main__":
    main(*sys.argv[1:])
