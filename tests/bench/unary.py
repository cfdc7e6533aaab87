"""Unary calls of one blocking caller, against a bare socket that exchanges the same frames."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import toolkit
from tests.bench.raw import RawClient
from tests.bench.row import Row, interleave
from tests.bench.server import running
from toolkit import sync
from toolkit.rpc.envelope import encode_request, request_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.schema.method import Method

__all__ = ["rows"]

_CALLS = 200  # a turn of about 10 ms: what disturbs one turn disturbs its neighbour too
_TURNS = 6  # for each round that was asked for
_REQUEST = {"id": "x" * 30}  # 32 bytes


def rows(rounds: int) -> Iterator[Row]:
    """The same calls to the same server, by the channel and by a bare socket."""
    yield Row(
        "unary, one caller, our server / the same frames on a bare socket",
        _ratios("tests.bench.server", rounds),
        limit=1.2,
    )
    yield Row("the same, a server that only copies bytes", _ratios("tests.bench.raw", rounds))


def _ratios(server: str, rounds: int) -> list[float]:
    state = toolkit.load("containerd").service("containerd.task.v3.Task")["State"]
    message = state.request(**_REQUEST)
    with running(server) as path, sync.connect(f"unix://{path}") as channel:
        bare = RawClient(path, _request_data(state, message))
        ratios = interleave(
            lambda: _seconds(lambda: channel.call(state, message)),
            lambda: _seconds(bare.call),
            rounds * _TURNS,
        )
        bare.close()
    return ratios


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_CALLS):
        call()
    return time.perf_counter() - start


def _request_data(method: Method, message: Any) -> bytes:
    """What the channel itself sends in the Request of this call."""
    return encode_request(
        request_prefix(method.service.name, method.name), message.SerializeToString()
    )
