"""The blocking flavour: threads that call, stream, fail and run out of time on one channel."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.soak.traces import Traces, complain
from tests.support.echo import ECHO
from toolkit import sync
from toolkit.errors import DeadlineExceeded, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["run"]

_THREADS = 4


class Handlers:
    """Every kind of call."""

    def Unary(self, request: Any, context: Any) -> Any:
        if request.text == "slow":
            while not context.cancelled:
                time.sleep(0.0005)
        if request.text == "fail":
            raise RpcError(Code.ABORTED, "as asked")
        return request

    def Collect(self, requests: Any, context: Any) -> Any:
        return {"number": sum(1 for _ in requests)}

    def Expand(self, request: Any, context: Any) -> Iterator[Any]:
        for number in range(request.number):
            yield {"number": number}

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


def run(calls: int, folder: str) -> tuple[float, list[str]]:
    """Make this many calls; calls a second, and what is wrong afterwards."""
    server = sync.Server()
    server.add(ECHO, Handlers())
    listener = server.listen(f"unix://{folder}/soak.sock")
    serving = threading.Thread(target=server.serve_forever)
    idle = threading.active_count()
    serving.start()
    with sync.connect(listener.address) as channel:
        _calls(channel, calls // 10)
        time.sleep(0.2)  # the monitor's thread and the warm-up's handlers settle
        before = Traces.now()
        start = time.monotonic()
        _calls(channel, calls)
        rate = calls / (time.monotonic() - start)
        _until(lambda: threading.active_count() <= before.threads)
        found = complain(before, Traces.now())
        found += [f"{stream} is in the client's table" for stream in channel._session.wire.streams]
        for connection in server._connections:
            found += [f"{call} is in the server's table" for call in connection._session.calls]
    if server.shutdown(10):
        found.append("shutdown had to cut calls")
    serving.join()
    _until(lambda: threading.active_count() <= idle)
    if threading.active_count() > idle:
        found.append(f"{threading.active_count() - idle} threads after the end")
    return rate, found


def _calls(channel: sync.Channel, count: int) -> None:
    with ThreadPoolExecutor(_THREADS) as threads:
        for done in [threads.submit(_share, channel, count // _THREADS) for _ in range(_THREADS)]:
            done.result()


def _share(channel: sync.Channel, count: int) -> None:
    for number in range(count):
        _one(channel, number % 50)


def _one(channel: sync.Channel, kind: int) -> None:
    unary = ECHO["Unary"]
    if kind == 0:
        _expect(DeadlineExceeded, channel, {"text": "slow"}, timeout=0.003)
    elif kind < 4:
        _expect(RpcError, channel, {"text": "fail"})
    elif kind < 6:
        with channel.stream(ECHO["Collect"]) as stream:
            for _ in range(3):
                stream.send()
            stream.close_send()
            assert stream.receive().number == 3
    elif kind < 8:
        with channel.stream(ECHO["Expand"], {"number": 5}) as stream:
            stream.receive()  # and leave early
    elif kind < 10:
        with channel.stream(ECHO["Chat"], timeout=5) as stream:
            stream.send({"text": "a"})
            assert stream.receive().text == "a"
            stream.close_send()
            assert stream.receive() is None
    else:
        reply = channel.call(unary, {"number": kind}, timeout=5 if kind % 2 else None)
        assert reply.number == kind


def _expect(error: type[Exception], channel: sync.Channel, message: Any, **options: Any) -> None:
    try:
        channel.call(ECHO["Unary"], message, **options)
    except error:
        return
    raise AssertionError(f"{message} did not fail")


def _until(done: Any) -> None:
    deadline = time.monotonic() + 5
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)
