"""Peers that the kernel kills in the middle of calls, on either side."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop import foreign, ours
from tests.interop.foreign import PEERS, STREAMING
from tests.interop.matrix import Topic, as_client, as_server
from tests.interop.service import INTEROP, LARGE, AioInterop, SyncInterop
from tests.support.peer import background
from toolkit.errors import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from concurrent.futures import Future

    from tests.interop.foreign import ForeignServer, Peer
    from tests.support.flavours import Flavour

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ECHO, SLEEP, COUNT, SUM, CHAT = (
    INTEROP[name] for name in ("Echo", "Sleep", "Count", "Sum", "Chat")
)
SOON = 10.0  # seconds in which a loss must be noticed, whatever the deadlines of the calls
LONG = 60_000  # milliseconds, longer than any test

every_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.path)
every_streaming_peer = pytest.mark.parametrize("peer", STREAMING, ids=lambda peer: peer.path)


@pytest.fixture
def server(peer: Peer) -> Iterator[ForeignServer]:
    """A server that a test may kill."""
    with foreign.serving(peer) as server:
        yield server


@pytest.fixture
def channel(flavour: Flavour, server: ForeignServer) -> Iterator[Any]:
    """Our channel to it."""
    with flavour.connect(server.address, timeout=5) as channel:
        yield channel


def is_lost(call: Future[Any]) -> bool:
    """Whether a call ends because its peer is gone."""
    error = call.exception(SOON)
    return isinstance(error, ConnectionClosed) and error.by_peer


@as_client(Topic.KILLED)
@every_peer
def test_point_14_every_call_in_flight_fails_with_an_error_of_its_own(
    channel: Any, server: ForeignServer
) -> None:
    closed = threading.Semaphore(0)
    channel.on_close(closed.release)
    calls = [background(channel.call, SLEEP, {"milliseconds": LONG}) for _ in range(5)]
    while channel.counters.frames_sent < len(calls):
        time.sleep(0.001)  # until all are on their way
    channel.call(ECHO, timeout=SOON)  # and have arrived

    server.kill()

    assert all(is_lost(call) for call in calls)
    assert len({id(call.exception()) for call in calls}) == len(calls)
    with pytest.raises(ConnectionClosed) as later:
        channel.call(ECHO, timeout=SOON)
    assert later.value.by_peer
    assert closed.acquire(timeout=SOON)
    assert not closed.acquire(blocking=False)


@as_client(Topic.KILLED)
@every_peer
def test_point_14_a_call_that_waits_to_be_written_fails(
    channel: Any, server: ForeignServer
) -> None:
    server.pause()
    calls = [background(channel.call, ECHO, {"data": bytes(LARGE)}) for _ in range(3)]
    while channel.counters.frames_sent < 1:
        time.sleep(0.001)

    server.kill()

    assert all(is_lost(call) for call in calls)


@as_client(Topic.KILLED)
@every_streaming_peer
@pytest.mark.parametrize("method", [COUNT, SUM, CHAT], ids=lambda method: method.name)
def test_point_14_a_stream_that_waits_fails_and_stays_failed(
    channel: Any, server: ForeignServer, method: Any
) -> None:
    request = {"count": 1, "pause_milliseconds": LONG} if method is COUNT else {"number": 1}
    with channel.stream(method, request) as stream:
        if method is CHAT:
            assert stream.receive().number == 1
        waiting = background(stream.receive)
        channel.call(ECHO, timeout=SOON)  # so the server has the stream

        server.kill()

        assert is_lost(waiting)
        assert is_lost(background(stream.receive))
        if method is not COUNT:
            assert is_lost(background(stream.send, {"number": 2}))


class Watch:
    """What happens to a handler."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.left = threading.Event()


class SyncWaiting(SyncInterop):
    """Handlers that wait until their client is gone."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def Sleep(self, request: Any, context: Any) -> None:
        self._watch.begun.set()
        while not context.cancelled:
            time.sleep(0.001)  # as a handler that works in steps
        self._watch.left.set()

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        try:
            for _ in requests:
                self._watch.begun.set()
        finally:
            self._watch.left.set()
        yield {}


class AioWaiting(AioInterop):
    """The same for asyncio."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def Sleep(self, request: Any, context: Any) -> None:
        self._watch.begun.set()
        try:
            await asyncio.sleep(LONG)
        finally:
            self._watch.left.set()

    async def Chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for _ in requests:
                self._watch.begun.set()
        finally:
            self._watch.left.set()
        yield {}


def outlives(peer: Peer, flavour: str, scenario: str) -> bool:
    """Whether our server notices that a client in this scenario was killed, and serves the next."""
    watch = Watch()
    waiting = SyncWaiting(watch) if flavour == "sync" else AioWaiting(watch)
    with ours.serving(flavour, INTEROP, waiting) as address:
        with foreign.running_client(peer, address, scenario) as client:
            assert watch.begun.wait(SOON)
            assert not watch.left.is_set()
            client.kill()
            noticed = watch.left.wait(SOON)
        [next_client] = foreign.scenarios(peer, address, "echo")
    return noticed and bool(next_client["ok"])


@as_server(Topic.KILLED)
@every_peer
def test_point_24_a_handler_learns_that_its_client_was_killed(peer: Peer, flavour: Flavour) -> None:
    # "overtake" begins with a call whose deadline, if there is one, is later than SOON.
    assert outlives(peer, flavour.name, "overtake")


@as_server(Topic.KILLED)
@every_streaming_peer
def test_point_24_a_handler_that_waits_for_messages_learns_it_too(
    peer: Peer, flavour: Flavour
) -> None:
    assert outlives(peer, flavour.name, "chat-pipelined")
