"""Unary calls of one blocking caller: what they take, against others that make the same calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.bench.clients import ECHO, item, sync_load
from tests.bench.grpc_peer import grpc_load
from tests.bench.programs import GO, GRPC, OURS, RAW, lacking, rate, running
from tests.bench.raw import RawClient
from tests.bench.row import Row, compare
from toolkit import sync
from toolkit.rpc.envelope import encode_request, request_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["rows"]

_CALLS = 200  # a turn of about 10 ms: what disturbs one turn disturbs its neighbour too
_TURNS = 6  # for each round that was asked for


def rows(rounds: int) -> Iterator[Row]:
    """A bare socket, Go's client and grpcio's."""
    what = "time of a call, one caller, {} / the same frames on a bare socket"
    yield _bare(what.format("Go server"), GO, rounds, limit=1.2)
    yield _bare(what.format("our server"), OURS["sync"], rounds)
    yield _bare(what.format("a server that only copies"), RAW, rounds)
    yield _against_go(rounds)
    yield _against_grpc(rounds)


def _bare(what: str, server: Sequence[str], rounds: int, limit: float | None = None) -> Row:
    skipped = lacking(server)
    if skipped:
        return Row(what, limit=limit, skipped=skipped)
    message = item(32)
    with running(server, apart=True) as address, sync.connect(address) as channel:
        bare = RawClient(address.removeprefix("unix://"), _request_data(message))
        row = compare(
            what,
            lambda: _seconds(lambda: channel.call(ECHO, message)),
            lambda: _seconds(bare.call),
            rounds * _TURNS,
            limit=limit,
        )
        bare.close()
    return row


def _against_go(rounds: int) -> Row:
    what = "time of a call, one caller, Go server: ours / Go client"
    skipped = lacking(GO)
    if skipped:
        return Row(what, limit=1.0, skipped=skipped)
    with running(GO) as address, sync_load(address) as load:
        return compare(
            what, lambda: 1 / load.unary(), lambda: 1 / rate(GO, address), rounds, limit=1.0
        )


def _against_grpc(rounds: int) -> Row:
    with (
        running(OURS["sync"]) as ours,
        running(GRPC) as theirs,
        sync_load(ours) as load,
        grpc_load(theirs) as grpc,
    ):
        return compare(
            "time of a call, one caller, server and client: ours / grpcio",
            lambda: 1 / load.unary(),
            lambda: 1 / grpc(),
            rounds,
            limit=0.2,
        )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_CALLS):
        call()
    return time.perf_counter() - start


def _request_data(message: object) -> bytes:
    """What the channel itself sends in the Request of this call."""
    return encode_request(
        request_prefix(ECHO.service.name, ECHO.name), ECHO.request.SerializeToString(message)
    )
