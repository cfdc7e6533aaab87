"""``python -m tests.bench``: measure every promise, print the rows, say which are not kept."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import (
    blocking,
    generating,
    in_flight,
    loading,
    payloads,
    scanning,
    servers,
    startup,
    streams,
    unary,
)
from tests.bench.row import Row, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUBJECTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "startup": startup.rows,
    "loading": loading.rows,
    "scanning": scanning.rows,
    "generating": generating.rows,
    "unary": unary.rows,
    "in-flight": in_flight.rows,
    "servers": servers.rows,
    "blocking": blocking.rows,
    "payloads": payloads.rows,
    "streams": streams.rows,
}


def main() -> int:
    """Run the subjects that were asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=15, help="runs of each side (default: 15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    unknown = sorted(set(options.subjects) - set(SUBJECTS))
    if unknown:
        parser.error(f"no subject {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    found = [row for name in options.subjects or SUBJECTS for row in _measure(name, options.rounds)]
    print(table(found))
    if options.json is not None:
        options.json.write_text(json.dumps([row.as_json() for row in found], indent=2) + "\n")
    return 1 if any(row.met is False for row in found) else 0


def _measure(subject: str, rounds: int) -> list[Row]:
    print(f"measuring {subject}", file=sys.stderr, flush=True)
    return list(SUBJECTS[subject](rounds))


if __name__ == "__main__":
    sys.exit(main())
