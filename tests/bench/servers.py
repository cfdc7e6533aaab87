"""Our servers against others, all under Go's client."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.bench.programs import GO, OURS, RUST, lacking, rate, running
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["rows"]


class _Promise(NamedTuple):
    ours: str
    theirs: Sequence[str]
    name: str
    callers: int
    limit: float


_PROMISES = [
    _Promise("aio", GO, "Go", 64, 1.3),
    _Promise("aio", RUST, "Rust async", 64, 1.1),
    _Promise("sync", GO, "Go", 1, 1.15),
    _Promise("sync", GO, "Go", 64, 1.0),
]


def rows(rounds: int) -> Iterator[Row]:
    """Asyncio's and the blocking one."""
    for promise in _PROMISES:
        yield _row(promise, rounds)


def _row(promise: _Promise, rounds: int) -> Row:
    callers = promise.callers
    load = "one caller" if callers == 1 else f"{callers} in flight"
    what = f"calls/s of Go client, {load}: our {promise.ours} server / {promise.name} server"
    skipped = lacking(GO, promise.theirs)
    if skipped:
        return Row(what, limit=promise.limit, at_least=True, skipped=skipped)
    with (
        running(OURS[promise.ours]) as ours,
        running(promise.theirs) as theirs,
    ):
        return compare(
            what,
            lambda: rate(GO, ours, callers=callers),
            lambda: rate(GO, theirs, callers=callers),
            rounds,
            limit=promise.limit,
            at_least=True,
        )
