"""The same service by grpcio, blocking: ``python -m tests.bench.grpc_peer ADDRESS`` serves."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

from tests.bench.clients import ECHO, item
from tests.bench.programs import TURN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["grpc_load"]


@contextmanager
def grpc_load(address: str) -> Iterator[Callable[[], float]]:
    """Calls in a second, one after another, by grpcio's blocking client."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            ECHO.path,
            request_serializer=ECHO.request.SerializeToString,
            response_deserializer=ECHO.reply.FromString,
        )
        yield lambda: _unary(call)


def _unary(call: Callable[[Any], Any]) -> float:
    message, clock = item(32), time.perf_counter
    count, start = 0, clock()
    while clock() - start < TURN:
        call(message)
        count += 1
    return count / (clock() - start)


def _serve(address: str) -> None:
    echo = grpc.unary_unary_rpc_method_handler(
        lambda request, _: request,
        request_deserializer=ECHO.request.FromString,
        response_serializer=ECHO.reply.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.method_handlers_generic_handler(ECHO.service.name, {ECHO.name: echo})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(address)
    server.start()
    print("listening", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    _serve(sys.argv[1])
