"""A channel that connects again, and never makes a call twice by itself."""

from __future__ import annotations

import asyncio
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.channel.conftest import Echo
from tests.support.echo import ECHO
from tests.support.flavours import SyncFlavour
from tests.support.frames import frame
from tests.support.peer import background, read_frame
from toolkit import aio
from toolkit.errors import AddressError, ConnectFailed, ConnectionClosed, DeadlineExceeded
from toolkit.rpc.backoff import Backoff
from toolkit.rpc.envelope import decode_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.flavours import Flavour

UNARY, CHAT = ECHO["Unary"], ECHO["Chat"]
RESPONSE = 2


@pytest.fixture
def channel(flavour: Flavour, address: str) -> Iterator[Any]:
    """A channel that has not connected yet."""
    with flavour.reconnecting(address, backoff=quick()) as channel:
        yield channel


@pytest.fixture
def listener(address: str) -> Iterator[socket.socket]:
    """Where the channel connects to, with nobody who answers."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address.removeprefix("unix://"))
        listener.listen()
        listener.settimeout(10)
        yield listener


def accepted(listener: socket.socket) -> socket.socket:
    peer = listener.accept()[0]
    peer.settimeout(10)
    return peer


def is_quiet(sock: socket.socket) -> bool:
    """Whether nothing comes within a moment."""
    return not select.select([sock], [], [], 0.1)[0]


def quick() -> Backoff:
    """Pauses for tests, which have no time."""
    return Backoff(first=0.005, longest=0.02)


class Chat(Echo):
    """Streams back, too."""

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


def test_it_connects_with_the_first_call_which_waits_for_the_server(
    flavour: Flavour, address: str, channel: Any
) -> None:
    call = background(channel.call, UNARY, {"text": "a"}, timeout=10)
    with flavour.serving(address, {ECHO: Echo()}):
        assert call.result(10).text == "a"
    assert not channel.closed


def test_point_18_the_next_call_finds_the_server_that_came_back(
    flavour: Flavour, address: str, channel: Any
) -> None:
    for text in ("a", "b", "c"):
        with flavour.serving(address, {ECHO: Echo()}):
            for _ in range(3):
                assert channel.call(UNARY, {"text": text}, timeout=10).text == text


def test_point_18_a_call_that_may_have_been_carried_out_is_not_made_again(
    channel: Any, listener: socket.socket
) -> None:
    call = background(channel.call, UNARY, {"text": "once"}, timeout=10)
    with accepted(listener) as peer:
        read_frame(peer)

    with pytest.raises(ConnectionClosed) as caught:
        call.result(10)
    assert (caught.value.by_peer, caught.value.unsent) == (True, False)
    assert is_quiet(listener)

    after = background(channel.call, UNARY, {"text": "again"}, timeout=10)
    with accepted(listener) as peer:
        assert decode_request(read_frame(peer)[3]).payload == b"\x0a\x05again"
        peer.sendall(frame(1, RESPONSE))
        after.result(10)


def test_point_18_a_call_that_was_not_sent_goes_out_on_the_next_connection(
    channel: Any, listener: socket.socket
) -> None:
    big = background(channel.call, UNARY, {"data": bytes(3 << 20)}, timeout=10)
    with accepted(listener) as peer:
        peer.recv(1)  # the rest of it stays where it is, and so does what comes after it
        queued = background(channel.call, UNARY, {"text": "queued"}, timeout=10)
        wait_for_calls(channel, 2)

    with accepted(listener) as peer:
        background(answer_all, peer)
        assert queued.result(10).text == "a"
        # Half a Request is none, and goes out again, too, unless it is not known how much of it
        # was written.
        assert big.exception(10) is None or isinstance(big.exception(), ConnectionClosed)


def answer_all(peer: socket.socket) -> None:
    while True:
        peer.sendall(frame(read_frame(peer)[0], RESPONSE, 0, b"\x12\x03\x0a\x01a"))


def wait_for_calls(channel: Any, number: int) -> None:
    connection = getattr(channel._channel, "_channel", channel._channel)  # asyncio has a face
    for _ in range(5000):
        if len(connection._session.wire.streams) == number:
            return
        threading.Event().wait(0.001)
    raise AssertionError(f"there never were {number} calls")


def test_a_call_finds_out_that_the_connection_has_gone_before_it_is_sent(
    channel: Any, listener: socket.socket
) -> None:
    for _ in range(3):
        call = background(channel.call, UNARY, timeout=10)
        with accepted(listener) as peer:
            read_frame(peer)
            peer.sendall(frame(1, RESPONSE))
            call.result(10)


def test_a_stream_is_bound_to_its_connection_and_the_next_one_works(
    flavour: Flavour, address: str, channel: Any
) -> None:
    with (
        flavour.serving(address, {ECHO: Chat()}) as (server, _),
        channel.stream(CHAT, {"text": "a"}, timeout=10) as stream,
    ):
        assert stream.receive().text == "a"
        server.shutdown(0)
        with pytest.raises(ConnectionClosed):
            stream.receive()
    with (
        flavour.serving(address, {ECHO: Chat()}),
        channel.stream(CHAT, {"text": "b"}, timeout=10) as stream,
    ):
        assert stream.receive().text == "b"


def test_many_threads_share_one_new_connection(
    flavour: Flavour, address: str, channel: Any
) -> None:
    connections: list[Any] = []

    def authorize(peer: Any) -> bool:
        connections.append(peer)
        return True

    calls = [background(channel.call, UNARY, {"number": n}, timeout=10) for n in range(20)]
    with flavour.serving(address, {ECHO: Echo()}, authorize=authorize):
        assert [call.result(10).number for call in calls] == list(range(20))
    assert len(connections) == 1


def test_a_deadline_is_for_connecting_too(channel: Any) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        channel.call(UNARY, timeout=0.05)
    assert isinstance(caught.value.__cause__, ConnectFailed)


def test_those_who_wait_for_another_ones_connection_have_deadlines_of_their_own(
    channel: Any,
) -> None:
    first = background(channel.call, UNARY, timeout=0.15)
    others = [background(channel.call, UNARY, timeout=0.05) for _ in range(5)]
    assert all(isinstance(call.exception(5), DeadlineExceeded) for call in [*others, first])


def test_connecting_may_have_a_limit_of_its_own(flavour: Flavour, address: str) -> None:
    with (
        flavour.reconnecting(address, timeout=0.05, backoff=quick()) as channel,
        pytest.raises(ConnectFailed, match=r"no connection within 0\.05 s: .*there is no such"),
    ):
        channel.call(UNARY, timeout=10)


def test_a_limit_that_has_passed_already_makes_no_connection(
    channel: Any, listener: socket.socket
) -> None:
    with pytest.raises(DeadlineExceeded):
        channel.call(UNARY, timeout=0)
    assert is_quiet(listener)


def test_closing_ends_the_wait_for_a_connection(channel: Any) -> None:
    call = background(channel.call, UNARY, timeout=10)
    with pytest.raises(DeadlineExceeded):
        channel.call(UNARY, timeout=0.02)  # the other one waits by now
    channel.close()
    channel.close()

    error = call.exception(5)
    assert isinstance(error, ConnectionClosed)
    assert not error.by_peer
    assert channel.closed
    with pytest.raises(ConnectionClosed, match="closed here"):
        channel.call(UNARY, timeout=5)


def test_closing_fails_the_calls_in_flight(channel: Any, listener: socket.socket) -> None:
    call = background(channel.call, UNARY, timeout=10)
    with accepted(listener) as peer:
        read_frame(peer)
        channel.close()
        assert isinstance(call.exception(5), ConnectionClosed)


def test_point_18_a_server_that_only_closes_is_left_alone_ever_longer(
    flavour: Flavour, address: str, listener: socket.socket
) -> None:
    start = time.monotonic()
    backoff = Backoff(first=0.04, longest=1, random=lambda: 0.999)
    with flavour.reconnecting(address, backoff=backoff) as channel:
        for _ in range(4):
            call = background(channel.call, UNARY, timeout=10)
            with accepted(listener) as peer:
                read_frame(peer)
            assert isinstance(call.exception(5), ConnectionClosed)
    assert time.monotonic() - start > 0.04 + 0.08 + 0.16 - 0.01


def test_interceptors_and_a_client_work_as_on_any_channel(flavour: Flavour, address: str) -> None:
    seen: list[str] = []

    def note(call: Any, proceed: Any) -> Any:
        seen.append(call.method.name)
        return proceed(call)

    with (
        flavour.serving(address, {ECHO: Echo()}),
        flavour.reconnecting(address, interceptors=[note]) as channel,
    ):
        assert channel.client(ECHO).Unary(text="a").text == "a"
    assert seen == ["Unary"]


def test_text_that_is_no_address_is_refused_at_once(flavour: Flavour) -> None:
    with pytest.raises(AddressError, match="write unix:///x"):
        flavour.reconnecting("/x")


async def call_with_asyncio(address: str) -> list[str]:
    class Chat:
        async def Unary(self, request: Any, context: Any) -> Any:
            return request

        async def Chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
            async for request in requests:
                yield request

    server = aio.Server()
    server.add(ECHO, Chat())
    async with server.listen(address), aio.reconnecting(address) as channel:
        async with channel.stream(CHAT, {"text": "a"}, timeout=5) as stream:
            await stream.close_send()
            texts = [message.text async for message in stream]
        reply = await channel.client(ECHO).Unary(text="b")
        assert repr(channel) == f"<ReconnectingChannel {address} open>"
    assert repr(await channel) == f"<ReconnectingChannel {address} closed>"
    return [*texts, reply.text]


def test_asyncio_uses_it_as_any_channel(address: str) -> None:
    assert asyncio.run(call_with_asyncio(address)) == ["a", "b"]


def test_its_text_says_where_it_goes(address: str) -> None:
    with SyncFlavour().reconnecting(address) as channel:
        assert repr(channel) == f"<ReconnectingChannel {address} open>"
