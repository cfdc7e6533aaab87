"""A server and its clients, whatever they send: a defined answer, and the others are served."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ECHO, request_frame
from tests.support.frames import frame
from tests.support.peer import background, read_frame, read_to_end
from toolkit.errors import AddressError, ConnectionClosed, RpcError
from toolkit.rpc.envelope import decode_response, encode_request, request_prefix
from toolkit.status import Code
from toolkit.wire.frame import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]
REQUEST, RESPONSE, DATA = 1, 2, 3
A = b"\x0a\x01a"  # a Message with text "a"


class Echo:
    """Answers at once, or when it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.contexts: list[Any] = []
        self.entered = threading.Semaphore(0)

    def Unary(self, request: Any, context: Any) -> Any:
        if request.text == "wait":
            self.contexts.append(context)
            self.entered.release()
            self.release.wait(10)
        if request.number:
            return {"data": bytes(request.number)}
        return request


@pytest.fixture
def echo() -> Iterator[Echo]:
    """The implementation; its handlers end with the test."""
    implementation = Echo()
    yield implementation
    implementation.release.set()


@pytest.fixture
def client(flavour: Flavour, echo: Echo) -> Iterator[socket.socket]:
    """A raw client of the server."""
    with flavour.connection({ECHO: echo}) as sock:
        yield sock


def answer(sock: socket.socket) -> tuple[int, int, Code | int | None]:
    """The next frame: stream id, type, and the status code of a Response."""
    stream_id, message_type, _, data = read_frame(sock)
    error = decode_response(data)[1] if message_type == RESPONSE else None
    return stream_id, message_type, None if error is None else error.code


def call_until_refused(channel: Any) -> None:
    for _ in range(10_000):
        channel.call(UNARY, timeout=5)


def alive(sock: socket.socket, stream_id: int) -> bool:
    """Whether another call on the same connection is answered."""
    sock.sendall(request_frame(stream_id, payload=A))
    return read_frame(sock) == (stream_id, RESPONSE, 0, b"\x12\x03" + A)


@pytest.mark.parametrize(
    ("hostile", "expected"),
    [
        (frame(0, REQUEST), (0, RESPONSE, 3)),
        (frame(2, DATA), (2, RESPONSE, 3)),
        (frame(4, 9), (4, RESPONSE, 3)),
        (frame(1, REQUEST, 0, b"\xff"), (1, RESPONSE, 3)),
        (frame(1, REQUEST, 0, b""), (1, RESPONSE, 12)),
        (frame(1, DATA, 0, b"x"), (1, RESPONSE, 3)),
        (request_frame(1, payload=b"\x0a\x05"), (1, RESPONSE, 13)),
        (request_frame(1, "Nothing"), (1, RESPONSE, 12)),
    ],
    ids=[
        "id 0",
        "even data",
        "even unknown type",
        "undecodable Request",
        "empty Request",
        "data on a new id",
        "undecodable payload",
        "unknown method",
    ],
)
def test_point_22_bad_input_has_one_answer_and_the_connection_lives(
    client: socket.socket, hostile: bytes, expected: tuple[int, int, int]
) -> None:
    client.sendall(hostile)

    assert answer(client) == expected
    assert alive(client, 11)


@pytest.mark.parametrize("ignored", [frame(1, RESPONSE), frame(1, 0), frame(1, 200, 255, b"x")])
def test_frames_that_nobody_waits_for_are_ignored(client: socket.socket, ignored: bytes) -> None:
    client.sendall(ignored)
    assert alive(client, 1)


def test_point_3_an_oversize_request_is_answered_on_its_id(client: socket.socket) -> None:
    size = (4 << 20) + 1
    sender = background(client.sendall, HEADER.pack(size, 1, REQUEST, 0) + bytes(size))

    assert answer(client) == (1, RESPONSE, Code.RESOURCE_EXHAUSTED)
    sender.result(5)
    assert alive(client, 3)


def test_point_3_a_length_of_16_mib_closes_the_connection(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert read_to_end(client) == b""


def test_point_22_a_request_on_a_live_id_leaves_the_live_call_alone(
    client: socket.socket, echo: Echo
) -> None:
    client.sendall(request_frame(1, payload=b"\x0a\x04wait"))
    echo.entered.acquire(timeout=5)
    client.sendall(request_frame(1, payload=A))
    assert alive(client, 3)
    echo.release.set()
    assert answer(client) == (1, RESPONSE, None)


def test_point_22_data_on_a_live_unary_call_ends_it_once(client: socket.socket, echo: Echo) -> None:
    client.sendall(request_frame(1, payload=b"\x0a\x04wait"))
    echo.entered.acquire(timeout=5)
    client.sendall(frame(1, DATA, 0, b"x") + frame(1, DATA, 0, b"y"))
    assert answer(client) == (1, RESPONSE, Code.INVALID_ARGUMENT)
    assert echo.contexts[0].cancelled
    echo.release.set()
    assert alive(client, 3)


def test_point_22_ids_below_the_highest_are_served_once(client: socket.socket) -> None:
    client.sendall(request_frame(5) + request_frame(3))
    assert [answer(client) for _ in range(2)] == [(5, RESPONSE, None), (3, RESPONSE, None)]
    client.sendall(request_frame(3))
    assert answer(client) == (3, RESPONSE, Code.INVALID_ARGUMENT)


def test_point_1_a_request_in_single_bytes_is_answered(client: socket.socket) -> None:
    for byte in request_frame(1, payload=A):
        client.sendall(bytes((byte,)))
    assert answer(client) == (1, RESPONSE, None)


def test_many_requests_in_one_read_are_all_answered_in_order(client: socket.socket) -> None:
    client.sendall(b"".join(request_frame(stream_id, payload=A) for stream_id in range(1, 401, 2)))
    assert [answer(client)[0] for _ in range(200)] == list(range(1, 401, 2))


def test_point_6_a_negative_timeout_is_a_deadline_that_has_passed(client: socket.socket) -> None:
    request = encode_request(request_prefix(ECHO.name, "Unary"), b"", -5)
    client.sendall(frame(1, REQUEST, 0, request))
    assert answer(client) == (1, RESPONSE, Code.DEADLINE_EXCEEDED)


def test_point_24_a_deadline_is_answered_while_the_handler_still_runs(
    client: socket.socket, echo: Echo
) -> None:
    request = encode_request(request_prefix(ECHO.name, "Unary"), b"\x0a\x04wait", 20_000_000)
    client.sendall(frame(1, REQUEST, 0, request))
    assert answer(client) == (1, RESPONSE, Code.DEADLINE_EXCEEDED)
    assert echo.contexts[0].cancelled
    echo.release.set()
    assert alive(client, 3)


def test_point_24_a_client_that_goes_away_cancels_its_calls(
    client: socket.socket, echo: Echo
) -> None:
    client.sendall(request_frame(1, payload=b"\x0a\x04wait"))
    echo.entered.acquire(timeout=5)
    client.close()
    [context] = echo.contexts
    for _ in range(5000):
        if context.cancelled:
            break
        threading.Event().wait(0.001)
    assert context.cancelled
    echo.release.set()


def test_point_29_a_client_that_has_done_sending_still_gets_its_reply(
    client: socket.socket, echo: Echo
) -> None:
    client.sendall(request_frame(1, payload=b"\x0a\x04wait"))
    echo.entered.acquire(timeout=5)
    client.shutdown(socket.SHUT_WR)
    echo.release.set()
    assert answer(client) == (1, RESPONSE, None)
    assert read_to_end(client) == b""


def test_point_26_a_client_that_never_reads_costs_bounded_memory(client: socket.socket) -> None:
    # 300 replies of 1 MiB, none of which is read.
    payload = b"\x18" + b"\x80\x80\x40"
    client.sendall(b"".join(request_frame(i, payload=payload) for i in range(1, 601, 2)))
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):  # the server reads no more
        client.sendall(bytes(16 << 20))


def test_a_call_in_flight_is_waited_for_and_new_ones_are_refused(
    flavour: Flavour, address: str, echo: Echo
) -> None:
    with flavour.serving(address, {ECHO: echo}) as (server, bound):
        channel = flavour.connect(bound)
        call = background(channel.call, UNARY, {"text": "wait"})
        echo.entered.acquire(timeout=5)
        shutdown = background(server.shutdown, 5)
        with pytest.raises(RpcError, match="the server is shutting down"):
            call_until_refused(channel)
        assert not shutdown.done()
        echo.release.set()
        assert call.result(5).text == "wait"
        assert shutdown.result(5) == 0
        channel.close()


def test_point_25_shutdown_cuts_what_takes_too_long_and_says_how_much(
    flavour: Flavour, address: str, echo: Echo
) -> None:
    with flavour.serving(address, {ECHO: echo}) as (server, bound):
        channel = flavour.connect(bound)
        calls = [background(channel.call, UNARY, {"text": "wait"}) for _ in range(3)]
        for _ in calls:
            echo.entered.acquire(timeout=5)
        assert server.shutdown(0.05) == 3
        assert all(isinstance(call.exception(5), ConnectionClosed) for call in calls)
        channel.close()


def test_shutdown_ends_serve_forever_and_removes_the_socket(flavour: Flavour, address: str) -> None:
    path = Path(address.removeprefix("unix://"))
    with flavour.serving(address, {ECHO: Echo()}) as (server, bound):
        with flavour.connect(bound) as channel:
            channel.call(UNARY)
        assert path.is_socket()
        assert server.shutdown(5) == 0
    assert not path.exists()


def test_the_socket_file_is_its_owners_alone(flavour: Flavour, address: str) -> None:
    with flavour.serving(address, {ECHO: Echo()}):
        mode = Path(address.removeprefix("unix://")).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_stale_socket_file_is_replaced_and_a_live_one_is_not(
    flavour: Flavour, address: str
) -> None:
    path = address.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with flavour.serving(address, {ECHO: Echo()}) as (_, bound), flavour.connect(bound) as channel:
        channel.call(UNARY)
        with (
            pytest.raises(OSError, match="another server listens"),
            flavour.serving(address, {ECHO: Echo()}),
        ):
            pass
        channel.call(UNARY)


def test_a_file_in_the_way_is_left_alone(flavour: Flavour, address: str) -> None:
    path = Path(address.removeprefix("unix://"))
    path.write_text("mine")
    with (
        pytest.raises(FileExistsError, match="in place of the socket"),
        flavour.serving(address, {ECHO: Echo()}),
    ):
        pass
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    "address", ["unix://@ttrpc-toolkit-{pid}", "tcp://127.0.0.1:0", "tcp://[::1]:0"]
)
def test_point_31_every_kind_of_address_is_served(flavour: Flavour, address: str) -> None:
    if "[::1]" in address and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    address = address.format(pid=os.getpid())
    with flavour.serving(address, {ECHO: Echo()}) as (_, bound), flavour.connect(bound) as channel:
        assert channel.call(UNARY, {"text": "a"}).text == "a"
        assert not bound.endswith(":0")


def test_a_listening_descriptor_can_be_inherited(flavour: Flavour, tmp_path: Path) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "s"))
    sock.listen()
    with (
        flavour.serving(sock.detach(), {ECHO: Echo()}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        assert bound == f"unix://{tmp_path}/s"
        channel.call(UNARY)


def test_no_server_listens_on_hvsock(flavour: Flavour) -> None:
    with (
        pytest.raises(AddressError, match="inside the guest use vsock"),
        flavour.serving("hvsock:///x:1", {ECHO: Echo()}),
    ):
        pass


def test_hvsock_asks_the_hypervisor_for_the_port(flavour: Flavour, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "vm"))
        listener.listen()
        connecting: Future[Any] = background(
            flavour.connect, f"hvsock://{tmp_path}/vm:1024", timeout=5
        )
        hypervisor, _ = listener.accept()
        with hypervisor:
            assert hypervisor.recv(100) == b"CONNECT 1024\n"
            hypervisor.sendall(b"OK 5000\n")
            with connecting.result(5) as channel:
                call = background(channel.call, UNARY, timeout=5)
                read_frame(hypervisor)
                hypervisor.sendall(frame(1, RESPONSE))
                call.result(5)


def test_hvsock_refused_says_what_the_hypervisor_said(flavour: Flavour, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "vm"))
        listener.listen()
        connecting = background(flavour.connect, f"hvsock://{tmp_path}/vm:1024", timeout=5)
        hypervisor, _ = listener.accept()
        with hypervisor:
            hypervisor.recv(100)
            hypervisor.sendall(b"NO\n")
            assert "the hypervisor answered" in str(connecting.exception(5))


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_200_connections_leave_no_thread_and_no_descriptor(flavour: Flavour, address: str) -> None:
    with flavour.serving(address, {ECHO: Echo()}) as (server, bound):
        for _ in range(5):
            with flavour.connect(bound) as channel:
                channel.call(UNARY)
        threads, descriptors = threading.active_count(), open_files()
        for _ in range(200):
            with flavour.connect(bound) as channel:
                channel.call(UNARY)
        server.shutdown(5)
    assert threading.active_count() <= threads
    assert open_files() <= descriptors
