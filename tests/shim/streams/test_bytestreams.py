"""Bytes over a named stream, within the room that the receiver grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from tests.shim.sides import SIDES, Side
from tests.support.peer import background
from toolkit.errors import LocalProtocolError, RemoteProtocolError
from toolkit.shim.streams.bytestreams import (
    DATA,
    PIECE,
    WINDOW,
    WINDOW_UPDATE,
    receive_bytes,
    send_bytes,
)
from toolkit.shim.streams.handshake import STREAMING_SERVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCHEMA = toolkit.load("containerd")
STREAMING = SCHEMA.service(STREAMING_SERVICE)
STREAM = STREAMING["Stream"]
TRANSFER = SCHEMA.service("containerd.services.transfer.v1.Transfer")
IMPORT = "containerd.types.transfer.ImageImportStream"
EXPORT = "containerd.types.transfer.ImageExportStream"
LIMIT = 10.0
IMAGE = bytes(range(256)) * 4096  # 1 MiB, and no two pieces alike at an odd offset


@pytest.fixture(params=SIDES, ids=lambda side: side.name)
def side(request: pytest.FixtureRequest) -> Side:
    chosen: Side = request.param
    return chosen


@pytest.fixture
def hub(side: Side) -> Any:
    return side.do(side.Hub)


@pytest.fixture
def channel(side: Side, hub: Any, tmp_path: Path) -> Iterator[Any]:
    address = f"unix://{tmp_path}/s"
    with side.serving(address, {STREAMING: hub}), side.connect(address) as channel:
        yield channel


def update(count: int) -> Any:
    return SCHEMA.pack(WINDOW_UPDATE, {"update": count})


def data_in(message: Any) -> bytes:
    assert message.type_url == DATA
    data: bytes = SCHEMA.unpack(message).data
    return data


def test_a_client_sends_a_megabyte(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    theirs = hub.get("image")
    receiving = background(lambda: b"".join(side.receive_bytes(theirs)))

    sent = side.send_bytes(stream, [IMAGE[:1], b"", IMAGE[1:100_000], IMAGE[100_000:]])

    assert receiving.result(LIMIT) == IMAGE
    assert sent == len(IMAGE)
    assert list(_rest(stream)) == []  # the receiver has ended the stream


def _rest(stream: Any) -> Iterator[Any]:
    """What is no room granted."""
    return (message for message in stream if message.type_url != WINDOW_UPDATE)


def test_a_server_sends_a_megabyte(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    theirs = hub.get("image")
    sending = background(lambda: side.send_bytes(theirs, [IMAGE]))

    received = list(side.receive_bytes(stream))

    assert b"".join(received) == IMAGE
    assert max(map(len, received)) == PIECE
    assert sending.result(LIMIT) == len(IMAGE)


def test_the_sender_keeps_to_the_room_that_it_has(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    theirs = hub.get("image")
    sending = background(lambda: side.send_bytes(stream, [IMAGE[: PIECE + 16]]))
    sizes = []

    for room in (10, 1, PIECE + 1):
        side.run(theirs.send(update(room)))
        left = room
        while left:
            sizes.append(len(data_in(side.run(theirs.receive()))))
            left -= sizes[-1]
    side.run(theirs.send(update(100)))
    rest = data_in(side.run(theirs.receive()))

    assert sizes == [10, 1, PIECE, 1]
    assert len(rest) == 4
    assert side.run(theirs.receive()) is None
    assert sending.result(LIMIT) == PIECE + 16


def test_the_receiver_grants_as_containerd_does(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    theirs = hub.get("image")
    pieces = side.receive_bytes(stream)
    receiving = background(lambda: [next(pieces), next(pieces), list(pieces)])
    granted = []

    for _ in range(2):
        granted.append(SCHEMA.unpack(side.run(theirs.receive())).update)
        side.run(theirs.send(SCHEMA.pack(DATA, {"data": bytes(WINDOW // 2)})))
    side.do(theirs.close)

    first, second, others = receiving.result(LIMIT)
    assert granted == [WINDOW, WINDOW]
    assert (len(first), len(second), others) == (WINDOW // 2, WINDOW // 2, [])


def test_a_receiver_that_ends_early_fails_the_sender(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    theirs = hub.get("image")
    side.run(theirs.send(update(100)))
    side.do(theirs.close)

    with pytest.raises(RemoteProtocolError, match="ended the stream within the first"):
        side.send_bytes(stream, [IMAGE])


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"type_url": DATA}, f"{DATA} came; want {WINDOW_UPDATE}"),
        ({}, f"a message of no type came; want {WINDOW_UPDATE}"),
        ({"type_url": WINDOW_UPDATE, "value": b"\x08" + b"\xff" * 9 + b"\x01"}, "granted -1 bytes"),
    ],
    ids=["data", "nothing", "less than nothing"],
)
def test_a_receiver_that_grants_no_room_fails_the_sender(
    message: dict[str, Any], complaint: str, side: Side, channel: Any, hub: Any
) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    side.run(hub.get("image").send(message))

    with pytest.raises(RemoteProtocolError) as caught:
        side.send_bytes(stream, [IMAGE])

    assert complaint in str(caught.value)


def test_a_sender_of_something_else_fails_the_receiver(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "image", timeout=LIMIT)
    side.run(hub.get("image").send(update(1)))

    with pytest.raises(RemoteProtocolError, match="WindowUpdate came; want"):
        list(side.receive_bytes(stream))


class SyncImages:
    """containerd's Transfer service, as far as it copies one named stream to another."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub

    def Transfer(self, request: Any, context: Any) -> None:
        with (
            self.hub.get(_named(request.source), context) as source,
            self.hub.get(_named(request.destination), context) as destination,
        ):
            send_bytes(destination, receive_bytes(source))


class AioImages:
    """The same for asyncio."""

    def __init__(self, hub: Any) -> None:
        self.hub = hub

    async def Transfer(self, request: Any, context: Any) -> None:
        from toolkit.shim.streams.bytestreams import receive_bytes_async, send_bytes_async

        with (
            self.hub.get(_named(request.source), context) as source,
            self.hub.get(_named(request.destination), context) as destination,
        ):
            await send_bytes_async(destination, receive_bytes_async(source))


def _named(packed: Any) -> str:
    id: str = SCHEMA.unpack(packed).stream
    return id


def test_another_call_names_the_streams_that_it_is_about(side: Side, tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/s"
    hub = side.do(side.Hub)
    images = SyncImages(hub) if side.name == "sync" else AioImages(hub)
    with (
        side.serving(address, {STREAMING: hub, TRANSFER: images}),
        side.connect(address) as channel,
        side.open(channel, STREAM, "in", timeout=LIMIT) as source,
        side.open(channel, STREAM, "out", timeout=LIMIT) as destination,
    ):
        sending = background(lambda: side.send_bytes(source, [IMAGE]))
        receiving = background(lambda: b"".join(side.receive_bytes(destination)))
        request = {
            "source": SCHEMA.pack(IMPORT, {"stream": "in"}),
            "destination": SCHEMA.pack(EXPORT, {"stream": "out"}),
        }

        channel.call(TRANSFER["Transfer"], request, timeout=LIMIT)

        assert receiving.result(LIMIT) == IMAGE
        assert sending.result(LIMIT) == len(IMAGE)


class Wire:
    """A stream whose other end answers at once, and notes what comes."""

    method = STREAM

    def __init__(self, grant: Callable[[], int]) -> None:
        self.grant = grant
        self.room = 0
        self.pieces: list[bytes] = []
        self.ended = False

    def send(self, message: Any, /) -> None:
        data = data_in(message)
        self.room -= len(data)
        assert 0 < len(data) <= PIECE
        assert self.room >= 0
        self.pieces.append(data)

    def receive(self) -> Any:
        granted = self.grant()
        self.room += granted
        return update(granted)

    def close_send(self) -> None:
        self.ended = True


def test_a_sender_that_meets_the_end_says_what_it_means() -> None:
    class Ended(Wire):
        def send(self, message: Any, /) -> None:
            raise LocalProtocolError("stream 1 is over")  # as a client's stream says it

    with pytest.raises(RemoteProtocolError, match="within the first 32768 bytes"):
        send_bytes(Ended(lambda: WINDOW), [IMAGE])


@given(
    pieces=st.lists(st.integers(0, 3 * PIECE).map(lambda size: IMAGE[:size]), max_size=5),
    data=st.data(),
)
def test_any_pieces_within_any_room_are_the_same_bytes(
    pieces: list[bytes], data: st.DataObject
) -> None:
    room = st.one_of(st.integers(5_000, 2 * WINDOW), st.just(0), st.just(PIECE))
    wire = Wire(lambda: data.draw(room))

    sent = send_bytes(wire, iter(pieces))

    assert b"".join(wire.pieces) == b"".join(pieces)
    assert (sent, wire.ended) == (sum(map(len, pieces)), True)
