"""Unary calls of an asyncio channel, many in flight, against Go's client on the same server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.clients import aio_load
from tests.bench.loops import lacking_uvloop
from tests.bench.programs import GO, lacking, rate, running
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

_CALLERS = 64


def rows(rounds: int) -> Iterator[Row]:
    """With asyncio's own loop, and with uvloop."""
    yield _row("aio", "asyncio", rounds, limit=1.0)
    yield _row("uvloop", "uvloop", rounds, limit=1.1)


def _row(loop: str, name: str, rounds: int, limit: float) -> Row:
    what = f"calls/s, {_CALLERS} in flight, Go server: ours ({name}) / Go client"
    skipped = lacking(GO) or (lacking_uvloop() if loop == "uvloop" else "")
    if skipped:
        return Row(what, limit=limit, at_least=True, skipped=skipped)
    with running(GO) as address, aio_load(address, loop) as load:
        return compare(
            what,
            lambda: load.unary(_CALLERS),
            lambda: rate(GO, address, callers=_CALLERS),
            rounds,
            limit=limit,
            at_least=True,
        )
