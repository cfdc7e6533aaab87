"""Calls whose messages nearly fill a frame, against Go's client on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.clients import aio_load, sync_load
from tests.bench.programs import GO, lacking, rate, running
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

_SIZE = (39 << 20) // 10  # 3.9 MiB there and back
_TURN = 0.5  # seconds: a call takes some milliseconds
_LIMIT = 1.3


def rows(rounds: int) -> Iterator[Row]:
    """One caller, blocking and asyncio."""
    what = "calls/s with 3.9 MiB each way, Go server: ours ({}) / Go client"
    skipped = lacking(GO)
    if skipped:
        yield Row(what.format("sync"), limit=_LIMIT, at_least=True, skipped=skipped)
        return
    with (
        running(GO) as address,
        sync_load(address) as blocking,
        aio_load(address) as loop,
    ):
        turns = {
            "sync": lambda: blocking.unary(_SIZE, _TURN),
            "asyncio": lambda: loop.unary(1, _SIZE, _TURN),
        }
        for name, turn in turns.items():
            yield compare(
                what.format(name),
                turn,
                lambda: rate(GO, address, size=_SIZE, seconds=_TURN),
                rounds,
                limit=_LIMIT,
                at_least=True,
            )
