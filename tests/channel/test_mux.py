"""NRI's mux: channels and servers of both roles over one socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ECHO, request_frame
from tests.support.frames import frame
from tests.support.peer import background, read_to_end
from toolkit import aio
from toolkit.errors import ConnectionClosed, LocalProtocolError
from toolkit.wire.mux import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]
RESPONSE = 2
PLUGIN, RUNTIME = 1, 2


class Echo:
    """Answers with what it got, and says who answered."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def Unary(self, request: Any, context: Any) -> Any:
        return {"text": self.name, "data": request.data, "number": request.number}


@pytest.fixture
def muxes(flavour: Flavour) -> Iterator[tuple[Any, Any]]:
    """Both ends of a trunk."""
    a, b = socket.socketpair()
    with flavour.mux(a) as one, flavour.mux(b) as other:
        yield one, other


@pytest.fixture
def trunk(flavour: Flavour) -> Iterator[tuple[Any, socket.socket]]:
    """A mux, and the peer's end of its trunk."""
    a, b = socket.socketpair()
    b.settimeout(10)
    with b, flavour.mux(a) as mux:
        yield mux, b


@pytest.fixture
def both_roles(flavour: Flavour, muxes: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """A plugin's channel to its runtime and the other way, both sides serving, too."""
    plugin, runtime = muxes
    with contextlib.ExitStack() as stack:
        for mux, number in ((plugin, PLUGIN), (runtime, RUNTIME)):
            echo = Echo(f"on {number}")
            stack.enter_context(flavour.serving_on(mux.open(number), {ECHO: echo}))
        yield (
            stack.enter_context(flavour.connect(plugin.open(RUNTIME))),
            stack.enter_context(flavour.connect(runtime.open(PLUGIN))),
        )


def mux_frame(number: int, payload: bytes) -> bytes:
    return HEADER.pack(number, len(payload)) + payload


def read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += sock.recv(size - len(data))
    return data


def read_mux_frame(sock: socket.socket) -> tuple[int, bytes]:
    number, length = HEADER.unpack(read_exactly(sock, HEADER.size))
    return number, read_exactly(sock, length)


def test_point_32_both_roles_share_one_trunk(both_roles: tuple[Any, Any]) -> None:
    to_runtime, to_plugin = both_roles
    assert to_runtime.call(UNARY, timeout=5).text == "on 2"
    assert to_plugin.call(UNARY, timeout=5).text == "on 1"


def test_point_32_3_mib_in_all_directions_at_once(both_roles: tuple[Any, Any]) -> None:
    message = {"data": bytes(3 << 20)}

    def calls(channel: Any) -> list[int]:
        return [len(channel.call(UNARY, message, timeout=15).data) for _ in range(2)]

    running = [background(calls, channel) for channel in both_roles * 2]

    assert [each.result(15) for each in running] == [[3 << 20] * 2] * 4


def test_many_threads_call_both_ways_at_once(both_roles: tuple[Any, Any]) -> None:
    def calls(channel: Any, first: int) -> int:
        return sum(
            channel.call(UNARY, {"number": number}, timeout=10).number
            for number in range(first, first + 20)
        )

    running = [background(calls, both_roles[n % 2], 20 * n) for n in range(20)]

    assert sum(each.result(15) for each in running) == sum(range(400))


def test_the_end_of_one_connection_leaves_the_other_one_alone(
    both_roles: tuple[Any, Any],
) -> None:
    to_runtime, to_plugin = both_roles
    to_plugin.close()
    assert to_runtime.call(UNARY, timeout=5).text == "on 2"


def test_the_end_of_the_trunk_ends_every_connection(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as one, flavour.connect(mux.open(2)) as other:
        calls = [background(channel.call, UNARY) for channel in (one, other)]
        for _ in calls:
            read_mux_frame(peer)
        peer.close()

        errors = [call.exception(5) for call in calls]

    assert all(isinstance(error, ConnectionClosed) and error.by_peer for error in errors)
    assert mux.closed
    with pytest.raises(ConnectionClosed, match="the peer closed the trunk"):
        mux.open(3)


def test_what_came_before_the_end_of_the_trunk_is_still_read(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as channel:
        call = background(channel.call, UNARY, timeout=5)
        read_mux_frame(peer)
        peer.sendall(mux_frame(1, frame(1, RESPONSE, 0, b"\x12\x03\x0a\x01a")))
        peer.close()
        assert call.result(5).text == "a"


def test_closing_the_mux_ends_its_connections_and_the_trunk(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as channel:
        call = background(channel.call, UNARY)
        read_mux_frame(peer)
        mux.close()
        mux.close()
        assert isinstance(call.exception(5), ConnectionClosed)
    assert read_to_end(peer) == b""
    with pytest.raises(ConnectionClosed, match="the mux was closed here"):
        mux.open(2)


def test_what_was_sent_before_the_mux_is_closed_goes_out(trunk: tuple[Any, socket.socket]) -> None:
    mux, peer = trunk
    last = frame(1, 1, 0, bytes(50_000))
    with mux.open(1) as sock:
        sock.sendall(last)
        mux.close()
    assert read_mux_frame(peer)[1] + read_mux_frame(peer)[1] == last


def test_a_reply_in_single_bytes_is_a_reply(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as channel:
        call = background(channel.call, UNARY, timeout=5)
        read_mux_frame(peer)
        for byte in frame(1, RESPONSE, 0, b"\x12\x03\x0a\x01a"):
            peer.sendall(mux_frame(1, bytes((byte,))))
        assert call.result(5).text == "a"


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak it"),
        (b"\0\0\0\1\0\0\0\7abc", "closed the trunk in the middle of a frame"),
    ],
    ids=["another protocol", "half a frame"],
)
def test_point_32_garbage_ends_the_trunk(
    flavour: Flavour, trunk: tuple[Any, socket.socket], garbage: bytes, reason: str
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as channel:
        call = background(channel.call, UNARY)
        read_mux_frame(peer)
        peer.sendall(garbage)
        peer.shutdown(socket.SHUT_WR)

        assert isinstance(call.exception(5), ConnectionClosed)
        assert read_to_end(peer) == b""
        with pytest.raises(ConnectionClosed, match=reason):
            mux.open(2)


def test_point_32_a_connection_that_nobody_reads_ends_the_trunk(flavour: Flavour) -> None:
    ours, peer = socket.socketpair()
    peer.settimeout(10)
    with peer, flavour.mux(ours, max_waiting=1 << 20) as mux, mux.open(1):
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                peer.sendall(mux_frame(1, bytes(1 << 16)))
        with contextlib.suppress(ConnectionError):
            assert peer.recv(1) == b""
        with pytest.raises(ConnectionClosed, match="its reader is behind"):
            mux.open(2)


def test_a_connection_that_nobody_reads_does_not_hold_the_others(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with mux.open(1), flavour.connect(mux.open(2)) as channel:
        peer.sendall(mux_frame(1, bytes(3 << 20)))
        call = background(channel.call, UNARY, timeout=5)
        read_mux_frame(peer)
        peer.sendall(mux_frame(2, frame(1, RESPONSE)))
        call.result(5)


def test_a_trunk_that_the_peer_does_not_read_holds_no_call_past_its_deadline(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with flavour.connect(mux.open(1)) as channel:
        for _ in range(4):
            call = background(channel.call, UNARY, {"data": bytes(3 << 20)}, timeout=0.05)
            assert isinstance(call.exception(5), TimeoutError)
        done = background(read_until, peer, b"next")
        call = background(channel.call, UNARY, {"text": "next"}, timeout=5)
        done.result(5)
        mux.close()
        assert isinstance(call.exception(5), ConnectionClosed)


def read_until(sock: socket.socket, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen = seen[-len(text) :] + sock.recv(1 << 16)


def test_what_comes_before_a_connection_is_opened_is_served(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    peer.sendall(mux_frame(2, request_frame(1)))
    with flavour.serving_on(mux.open(2), {ECHO: Echo("late")}):
        number, answer = read_mux_frame(peer)
    assert number == 2
    assert b"late" in answer


def test_bytes_that_are_not_ttrpc_end_only_their_connection(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with mux.open(1) as wrong, flavour.connect(mux.open(2)) as channel:
        wrong.settimeout(10)
        wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert wrong.recv(1) == b""
        call = background(channel.call, UNARY, timeout=5)
        assert read_mux_frame(peer)[0] == 2
        peer.sendall(mux_frame(2, frame(1, RESPONSE)))
        call.result(5)


def test_a_connection_is_opened_once(muxes: tuple[Any, Any]) -> None:
    mux, _ = muxes
    mux.open(1).close()
    with pytest.raises(LocalProtocolError, match="was opened before"):
        mux.open(1)


def test_what_comes_for_a_closed_connection_is_dropped_and_counted(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    mux.open(1).close()
    with flavour.connect(mux.open(2)) as channel:
        for stream_id in (1, 3):
            call = background(channel.call, UNARY, timeout=5)
            read_mux_frame(peer)
            peer.sendall(mux_frame(1, b"late") + mux_frame(2, frame(stream_id, RESPONSE)))
            call.result(5)
    assert mux.dropped_bytes in (4, 8)  # the first one may have come before the end was seen


def test_a_mux_takes_an_inherited_descriptor_and_knows_its_peer(flavour: Flavour) -> None:
    ours, peer = socket.socketpair()
    with peer, flavour.mux(ours.detach()) as mux:
        assert (mux.peer.uid, mux.peer.gid) == (os.geteuid(), os.getegid())
        with mux.open(7) as sock:
            sock.sendall(frame(1, 1))
            assert read_mux_frame(peer) == (7, frame(1, 1))
        assert repr(mux).endswith(" open, [7]>")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_muxes_leave_no_thread_and_no_descriptor(flavour: Flavour) -> None:
    def one() -> None:
        a, b = socket.socketpair()
        with (
            flavour.mux(a) as mux,
            flavour.mux(b) as other,
            flavour.connect(mux.open(1)) as channel,
            flavour.serving_on(other.open(1), {ECHO: Echo()}),
        ):
            channel.call(UNARY, timeout=5)

    one()
    threads, descriptors = threading.active_count(), open_files()
    for _ in range(20):
        one()
    assert threading.active_count() <= threads
    assert open_files() <= descriptors


def test_half_a_frame_that_a_channel_leaves_behind_hurts_nobody(
    flavour: Flavour, trunk: tuple[Any, socket.socket]
) -> None:
    mux, peer = trunk
    with mux.open(1) as sock:
        sock.sendall(frame(1, 1, 0, b"abc")[:-1])
    with flavour.connect(mux.open(2)) as channel:
        call = background(channel.call, UNARY, timeout=5)
        assert read_mux_frame(peer)[0] == 2
        peer.sendall(mux_frame(2, frame(1, RESPONSE)))
        call.result(5)


async def call_with_asyncio() -> str:
    class Answering:
        async def Unary(self, request: Any, context: Any) -> Any:
            return request

    a, b = socket.socketpair()
    server = aio.Server()
    server.add(ECHO, Answering())
    async with aio.Mux(a) as plugin, aio.Mux(b) as runtime:
        serving = asyncio.ensure_future(server.serve_connection(plugin.open(1)))
        async with aio.connect(runtime.open(1)) as channel:
            reply = await channel.call(UNARY, {"text": "a"}, timeout=5)
    await serving  # the trunk has gone
    return str(reply.text)


def test_asyncio_enters_a_mux_as_it_does_all_else() -> None:
    assert asyncio.run(call_with_asyncio()) == "a"


def test_bytes_that_are_not_ttrpc_are_dropped_when_the_mux_is_closed(
    trunk: tuple[Any, socket.socket],
) -> None:
    mux, peer = trunk
    with mux.open(1) as wrong:
        wrong.sendall(b"GET / HTTP/1.1\r\n\r\n")
        mux.close()
    assert read_to_end(peer) == b""
