"""What happens at the edges: slips in handlers, clients that leave early, servers that stop."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.support.echo import ECHO, request_frame
from tests.support.frames import frame
from tests.support.peer import background, read_frame
from toolkit import sync
from toolkit.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LocalProtocolError,
    MessageError,
    RpcError,
)
from toolkit.rpc.envelope import decode_response, encode_request, request_prefix
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.flavours import Flavour

UNARY, CHAT, EXPAND = ECHO["Unary"], ECHO["Chat"], ECHO["Expand"]


class Handlers:
    """Whatever a test needs, by the name of the method."""

    def __init__(self, **handlers: Any) -> None:
        self.__dict__.update(handlers)


def echo(request: Any, context: Any) -> Any:
    return request


def test_a_streamed_message_does_not_wait_for_the_next_one(flavour: Flavour, address: str) -> None:
    release = threading.Event()

    def expand(request: Any, context: Any) -> Iterator[Any]:
        yield {}
        time.sleep(0.05)  # long enough for another thread to have taken over the reading
        yield {"data": bytes(1_500_000)}
        release.wait(10)

    with (
        flavour.serving(address, {ECHO: Handlers(Expand=expand)}) as (_, bound),
        flavour.connect(bound) as channel,
        channel.stream(EXPAND, {}, timeout=5) as stream,
    ):
        stream.receive()
        assert len(stream.receive().data) == 1_500_000
        release.set()


@pytest.mark.parametrize(
    "arguments",
    [(Code.NOT_FOUND, ValueError("text")), (Code.NOT_FOUND, None), ("NOT_FOUND",), (5, "", ["x"])],
)
def test_a_status_that_makes_no_sense_fails_the_call_and_no_more(
    flavour: Flavour, address: str, arguments: Any
) -> None:
    def unary(request: Any, context: Any) -> Any:
        if request.text == "fail":
            raise RpcError(*arguments)
        return request

    with (
        flavour.serving(address, {ECHO: Handlers(Unary=unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(RpcError):
            channel.call(UNARY, {"text": "fail"}, timeout=5)
        assert channel.call(UNARY, {"text": "next"}, timeout=5).text == "next"


def test_an_upload_that_breaks_off_is_not_taken_for_whole(flavour: Flavour) -> None:
    seen: list[str] = []

    def collect(requests: Any, context: Any) -> Any:
        seen.extend(request.text for request in requests)
        seen.append("the end")

    with flavour.connection({ECHO: Handlers(Collect=collect)}) as client:
        request = encode_request(request_prefix(ECHO.name, "Collect"), b"")
        client.sendall(frame(1, 1, 0x06, request) + frame(1, 3, 0, b"\x0a\x01a"))
        client.shutdown(socket.SHUT_WR)
        _, error = decode_response(read_frame(client)[3])

    assert seen == ["a"]
    assert error is not None
    assert error.code is Code.CANCELLED


def test_a_handler_may_shut_its_server_down(flavour: Flavour, address: str) -> None:
    if flavour.name != "sync":
        pytest.skip("the handlers of this face run in threads, outside of their tasks")
    cut: list[int] = []

    def unary(request: Any, context: Any) -> Any:
        cut.append(server.shutdown(5))
        return request

    with (
        flavour.serving(address, {ECHO: Handlers(Unary=unary)}) as (server, bound),
        flavour.connect(bound) as channel,
    ):
        assert channel.call(UNARY, {"text": "last"}, timeout=5).text == "last"
    assert cut == [0]


def test_a_server_that_was_shut_down_listens_no_more(flavour: Flavour, address: str) -> None:
    with flavour.serving(address, {ECHO: Handlers(Unary=echo)}) as (server, _):
        server.shutdown(1)
        inner: Any = getattr(server, "_server", server)
        loop = getattr(server, "_loop", None)
        with pytest.raises(LocalProtocolError, match="make a new one"):
            loop.do(inner.listen, address) if loop else inner.listen(address)


def test_on_close_runs_when_a_stream_notices(flavour: Flavour) -> None:
    ours, theirs = socket.socketpair()
    closed = threading.Event()
    with flavour.connect(ours) as channel:
        channel.on_close(closed.set)
        with channel.stream(CHAT) as stream:
            theirs.close()
            with pytest.raises(ConnectionClosed):
                stream.receive()
        assert closed.wait(5)


def test_on_close_runs_when_a_call_comes_too_late(flavour: Flavour) -> None:
    ours, theirs = socket.socketpair()
    closed = threading.Event()
    with flavour.connect(ours) as channel:
        channel.on_close(closed.set)
        theirs.close()
        with pytest.raises(ConnectionClosed):
            channel.call(UNARY)
        assert closed.wait(5)


def test_calls_that_are_over_before_their_turn_are_not_run(flavour: Flavour) -> None:
    ran: list[str] = []
    entered, release = threading.Event(), threading.Event()

    def unary(request: Any, context: Any) -> Any:
        ran.append(request.text)
        if request.text == "first":
            entered.set()
            release.wait(10)
        return request

    if flavour.name != "sync":
        pytest.skip("asyncio has every call begun before the first one ends")
    with flavour.connection({ECHO: Handlers(Unary=unary)}) as client:
        late = encode_request(request_prefix(ECHO.name, "Unary"), b"\x0a\x04late", 1)
        refused = request_frame(5, payload=b"\x0a\x07refused") + frame(5, 3, 0, b"stray")
        client.sendall(request_frame(1, payload=b"\x0a\x05first") + frame(3, 1, 0, late) + refused)
        entered.wait(5)
        release.set()
        answered = {read_frame(client)[0] for _ in range(3)}

    assert answered == {1, 3, 5}
    assert ran == ["first"]


def test_a_message_that_does_not_fit_opens_no_stream(flavour: Flavour, address: str) -> None:
    with (
        flavour.serving(address, {ECHO: Handlers(Chat=echo)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(MessageError):
            channel.stream(CHAT, {"nonsense": 1})
        assert channel._session.wire.streams == {}
        assert channel.counters.frames_sent == 0


def test_the_file_of_another_server_at_the_same_path_is_left_alone(
    flavour: Flavour, address: str
) -> None:
    path = Path(address.removeprefix("unix://"))
    with flavour.serving(address, {ECHO: Handlers(Unary=echo)}):
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        other.bind(str(path))
    with other:
        assert path.is_socket()


def test_the_file_of_a_socket_that_was_given_is_left_alone(
    flavour: Flavour, tmp_path: Path
) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    sock.listen()
    with flavour.serving(sock, {ECHO: Handlers(Unary=echo)}):
        pass
    assert (tmp_path / "s").is_socket()


def test_a_child_process_does_not_end_its_parents_connection(
    flavour: Flavour, address: str
) -> None:
    if flavour.name != "sync":
        pytest.skip("a loop does not live on in a child process")
    with (
        flavour.serving(address, {ECHO: Handlers(Unary=echo)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        child = os.fork()
        if not child:
            channel.close()
            os._exit(0)
        os.waitpid(child, 0)
        assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"


def test_signals_do_not_put_a_deadline_off() -> None:
    ours, theirs = socket.socketpair()
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    try:
        with theirs, sync.connect(ours) as channel, pytest.raises(DeadlineExceeded):
            channel.call(UNARY, timeout=0.1)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Interrupted(Exception):
    """What a signal handler raises."""


def test_a_signal_handler_that_raises_ends_the_channel_for_everybody() -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    ours, theirs = socket.socketpair()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with theirs, sync.connect(ours) as channel:
            other = background(channel.call, UNARY)
            read_frame(theirs)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupted):
                channel.call(UNARY)
            assert isinstance(other.exception(5), ConnectionClosed)
            assert channel.closed
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_trace_that_raises_ends_the_channel(flavour: Flavour, address: str) -> None:
    def trace(direction: str, *_: int) -> None:
        if direction == "received":
            raise Interrupted

    with (
        flavour.serving(address, {ECHO: Handlers(Unary=echo)}) as (_, bound),
        flavour.connect(bound, trace=trace) as channel,
    ):
        with pytest.raises((Interrupted, ConnectionClosed)):
            channel.call(UNARY, timeout=5)
        assert channel.closed


def test_without_threads_to_be_had_the_server_goes_on(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def unary(request: Any, context: Any) -> Any:
        if request.text == "slow":
            release.wait(10)
        return request

    server = sync.Server()
    server.add(ECHO, Handlers(Unary=unary))
    start = threading.Thread.start
    failures = 3

    def no_more(thread: threading.Thread) -> None:
        nonlocal failures
        if thread.name == "ttrpc-serve" and failures:
            failures -= 1
            raise RuntimeError("can't start new thread")
        start(thread)

    with server.listen(address) as listener:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with sync.connect(listener.address) as channel:
            channel.call(UNARY, timeout=5)
            monkeypatch.setattr(threading.Thread, "start", no_more)
            slow = background(channel.call, UNARY, {"text": "slow"})
            assert channel.call(UNARY, {"text": "quick"}, timeout=5).text == "quick"
            release.set()
            assert slow.result(5).text == "slow"
        assert not failures
        failures = 1
        with sync.connect(listener.address) as refused, pytest.raises(ConnectionClosed):
            refused.call(UNARY, timeout=5)
        with sync.connect(listener.address) as channel:
            channel.call(UNARY, timeout=5)
    serving.join()
    assert "can't start new thread" in caplog.text


def test_100_handlers_that_wait_leave_room_for_the_call_that_ends_them() -> None:
    release = threading.Event()

    def unary(request: Any, context: Any) -> Any:
        if request.text == "wait":
            release.wait(20)
        else:
            release.set()
        return request

    server = sync.Server()
    server.add(ECHO, Handlers(Unary=unary))
    ours, theirs = socket.socketpair()
    served = background(server.serve_connection, theirs)
    with ours:
        ours.settimeout(20)
        waits = [request_frame(i, payload=b"\x0a\x04wait") for i in range(1, 200, 2)]
        ours.sendall(b"".join(waits))
        ours.sendall(request_frame(201, payload=b"\x0a\x04free"))
        assert {read_frame(ours)[0] for _ in range(101)} == set(range(1, 202, 2))
    served.result(5)


@pytest.mark.parametrize(
    "error",
    [
        toolkit.DeadlineExceeded("late", by_peer=True),
        toolkit.ConnectionClosed("gone", by_peer=True),
        toolkit.ConnectFailed("unix:///x", "why", hint="try"),
        toolkit.SymbolNotFound("method", "State", schema="x", nearest=["Stat"]),
        toolkit.ReleaseNotFound("x", nearest=["y"]),
        toolkit.MessageError("m", "p", "r", nearest=["n"]),
        toolkit.RpcError(99, "odd", [toolkit.RawAny("t", b"v")]),
        toolkit.CompileError([toolkit.CompileProblem("f", 1, 2, "m")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error: Exception) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert twin.__dict__ == error.__dict__
