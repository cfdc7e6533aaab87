"""Messages of one stream, against Go's client on the same server."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tests.bench.clients import aio_load, sync_load
from tests.bench.programs import GO, lacking, rate, running
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.clients import AioLoad, SyncLoad

__all__ = ["rows"]

_KINDS = ("receive", "send", "pingpong")
_LIMIT = 1.0


def rows(rounds: int) -> Iterator[Row]:
    """Each way, blocking and asyncio."""
    skipped = lacking(GO)
    if skipped:
        for kind in _KINDS:
            what = _what(kind, "sync, asyncio")
            yield Row(what, limit=_LIMIT, at_least=True, skipped=skipped)
        return
    with running(GO) as address, sync_load(address) as blocking, aio_load(address) as loop:
        loads: dict[str, SyncLoad | AioLoad] = {"sync": blocking, "asyncio": loop}
        for kind in _KINDS:
            for name, load in loads.items():
                turn: Callable[[], float] = getattr(load, kind)
                yield compare(
                    _what(kind, name),
                    turn,
                    partial(rate, GO, address, kind),
                    rounds,
                    limit=_LIMIT,
                    at_least=True,
                )


def _what(kind: str, name: str) -> str:
    return f"messages/s of a stream, {kind}, Go server: ours ({name}) / Go client"
