"""Named streams: the handshake from both sides, and the hub that other calls take them from."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.shim.sides import SIDES, Side
from tests.support.peer import background
from toolkit.errors import DeadlineExceeded, MessageError, RemoteProtocolError, RpcError
from toolkit.shim.namespace import NAMESPACE_KEY
from toolkit.shim.streams.handshake import ACK, STREAM_INIT, STREAMING_SERVICE, Opened
from toolkit.shim.streams.named import MAX_QUEUED, HubStream, accept
from toolkit.shim.streams.named_async import AsyncHubStream, accept_async
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

SCHEMA = toolkit.load("containerd")
STREAMING = SCHEMA.service(STREAMING_SERVICE)
STREAM = STREAMING["Stream"]
LIMIT = 5.0
NOTE = "containerd.types.transfer.Progress"


@pytest.fixture(params=SIDES, ids=lambda side: side.name)
def side(request: pytest.FixtureRequest) -> Side:
    chosen: Side = request.param
    return chosen


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/s"


@pytest.fixture
def hub(side: Side, address: str) -> Iterator[Any]:
    """A hub that is served."""
    hub = side.do(side.Hub)
    with side.serving(address, {STREAMING: hub}):
        yield hub


@pytest.fixture
def channel(side: Side, address: str, hub: Any) -> Iterator[Any]:
    with side.connect(address) as channel:
        yield channel


def note(text: str) -> Any:
    return SCHEMA.pack(NOTE, {"event": text})


def text_of(message: Any) -> str:
    text: str = SCHEMA.unpack(message).event
    return text


def test_a_stream_is_there_once_it_is_open(side: Side, channel: Any, hub: Any) -> None:
    with side.open(channel, STREAM, "logs", timeout=LIMIT) as stream:
        theirs = hub.get("logs")

        stream.send(note("from the client"))
        received = text_of(side.run(theirs.receive()))
        side.run(theirs.send(note("from the server")))

        assert received == "from the client"
        assert text_of(stream.receive()) == "from the server"
        assert (theirs.id, theirs.namespace, theirs.method) == ("logs", "", STREAM)


def test_each_side_sees_the_others_end(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "logs", timeout=LIMIT)
    theirs = hub.get("logs")

    stream.send(note("last"))
    stream.close_send()
    received = [text_of(side.run(theirs.receive())), side.run(theirs.receive())]
    side.run(theirs.send(note("after that")))
    side.do(theirs.close)

    assert received == ["last", None]
    assert [text_of(each) for each in stream] == ["after that"]
    assert side.run(theirs.receive()) is None


def test_sending_and_closing_show_at_once(
    side: Side, channel: Any, hub: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.shim.streams.named._GLANCE", 60)
    stream = side.open(channel, STREAM, "logs", timeout=LIMIT)
    theirs = hub.get("logs")
    received = background(lambda: [text_of(each) for each in stream])

    side.run(theirs.send(note("one")))
    side.do(theirs.close)

    assert received.result(LIMIT) == ["one"]


def test_closing_a_stream_ends_a_receive_that_waits(side: Side, channel: Any, hub: Any) -> None:
    side.open(channel, STREAM, "logs", timeout=LIMIT)
    theirs = hub.get("logs")
    waiting = background(lambda: side.run(theirs.receive()))
    with pytest.raises(TimeoutError):
        waiting.result(0.1)

    side.do(theirs.close)
    if side.name == "sync":  # a thread that waits in the kernel learns of it by the next bytes
        side.do(channel.close)

    with pytest.raises(RpcError, match="CANCELLED"):
        waiting.result(LIMIT)


def test_leaving_the_block_of_a_hubs_stream_ends_it(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "logs", timeout=LIMIT)

    with hub.get("logs") as theirs:
        side.run(theirs.send(note("only")))
        side.do(theirs.__exit__)  # in the loop, where there is one

    assert [text_of(each) for each in stream] == ["only"]
    with pytest.raises(RpcError, match="CANCELLED: stream 'logs' has ended"):
        side.run(theirs.send(note("too late")))


def test_what_one_side_sends_comes_whole_and_in_order(side: Side, channel: Any, hub: Any) -> None:
    stream = side.open(channel, STREAM, "logs", timeout=LIMIT)
    theirs = hub.get("logs")
    many = [str(number) for number in range(5 * MAX_QUEUED)]

    def send_all() -> None:
        for text in many:
            side.run(theirs.send(note(text)))
        side.do(theirs.close)

    sending = background(send_all)

    assert [text_of(each) for each in stream] == many
    sending.result(LIMIT)


def test_an_id_that_is_taken_is_refused_and_the_first_stream_goes_on(
    side: Side, channel: Any, hub: Any
) -> None:
    with side.open(channel, STREAM, "logs", timeout=LIMIT) as first:
        with pytest.raises(RpcError) as caught:
            side.open(channel, STREAM, "logs", timeout=LIMIT)
        side.run(hub.get("logs").send(note("still here")))

        assert caught.value.code is Code.ALREADY_EXISTS
        assert "stream 'logs' already exists" in str(caught.value)
        assert text_of(first.receive()) == "still here"


def test_an_id_is_free_again_after_the_end(side: Side, channel: Any, hub: Any) -> None:
    for _ in range(3):
        stream = side.open(channel, STREAM, "logs", timeout=LIMIT)
        side.do(hub.get("logs").close)
        assert stream.receive() is None

    with pytest.raises(RpcError, match="NOT_FOUND: there is no stream 'logs'"):
        hub.get("logs")


def test_a_namespace_is_part_of_the_name(side: Side, channel: Any, hub: Any) -> None:
    with (
        side.open(channel, STREAM, "logs", timeout=LIMIT, metadata={NAMESPACE_KEY: "a"}),
        side.open(channel, STREAM, "logs", timeout=LIMIT, metadata={NAMESPACE_KEY: "b"}),
    ):
        found = {hub.get("logs", namespace=each).namespace for each in ("a", "b")}

        assert found == {"a", "b"}
        with pytest.raises(RpcError, match="no stream 'logs' in namespace 'c'"):
            hub.get("logs", namespace="c")


def test_a_stream_without_a_namespace_is_found_in_any(side: Side, channel: Any, hub: Any) -> None:
    # Go's client sends no metadata with a stream.
    with side.open(channel, STREAM, "logs", timeout=LIMIT):
        assert hub.get("logs", namespace="k8s.io").namespace == ""

        with side.open(channel, STREAM, "logs", timeout=LIMIT, metadata={NAMESPACE_KEY: "k8s.io"}):
            assert hub.get("logs", namespace="k8s.io").namespace == "k8s.io"


def test_closing_the_hub_ends_every_stream(side: Side, channel: Any, hub: Any) -> None:
    streams = [side.open(channel, STREAM, each, timeout=LIMIT) for each in ("one", "two")]

    side.do(hub.close)

    assert [stream.receive() for stream in streams] == [None, None]


def test_a_client_that_goes_away_frees_its_id(side: Side, address: str, hub: Any) -> None:
    with side.connect(address) as channel:
        side.open(channel, STREAM, "logs", timeout=LIMIT)
        theirs = hub.get("logs")
    with pytest.raises(RpcError, match="CANCELLED"):
        side.run(theirs.receive())
    deadline = time.monotonic() + LIMIT

    with side.connect(address) as channel:
        while True:
            try:
                side.open(channel, STREAM, "logs", timeout=LIMIT)
                break
            except RpcError:
                assert time.monotonic() < deadline
    with pytest.raises(RpcError, match="CANCELLED: stream 'logs' has ended"):
        side.run(theirs.send(note("to nobody")))


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        ({"type_url": NOTE}, f"the first message is {NOTE}; a stream begins with a {STREAM_INIT}"),
        ({}, "the first message is of no type"),
        ({"type_url": STREAM_INIT}, "its id is empty"),
        ({"type_url": STREAM_INIT, "value": b"\xff"}, "1 bytes are no such message"),
        (None, "the client ended the stream before it sent one message"),
    ],
    ids=["another type", "no type", "no id", "other bytes", "nothing"],
)
def test_what_does_not_begin_a_stream_is_refused(
    first: dict[str, Any] | None, complaint: str, channel: Any
) -> None:
    with channel.stream(STREAM, timeout=LIMIT) as stream:
        if first is not None:
            stream.send(first)
        stream.close_send()

        with pytest.raises(RpcError) as caught:
            stream.receive()

    assert caught.value.code is Code.INVALID_ARGUMENT
    assert complaint in str(caught.value)


def test_a_first_message_with_a_slash_in_its_type_is_one_as_well(
    side: Side, channel: Any, hub: Any
) -> None:
    init = SCHEMA.pack(STREAM_INIT, {"id": "logs"})
    url = f"type.googleapis.com/{init.type_url}"

    with channel.stream(STREAM, timeout=LIMIT) as stream:
        stream.send({"type_url": url, "value": init.value})

        assert stream.receive().type_url == ACK["type_url"]
        assert hub.get("logs").id == "logs"


def test_the_client_sends_the_bare_type_that_containerd_wants(side: Side, address: str) -> None:
    seen: list[Any] = []

    class Once:
        def Stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
            seen.extend([next(requests), context.deadline])
            yield ACK

    with (
        side.flavour.serving(address, {STREAMING: Once()}),
        side.connect(address) as channel,
        side.open(channel, STREAM, "logs", timeout=LIMIT),
    ):
        pass

    assert (seen[0].type_url, seen[0].value) == (STREAM_INIT, b"\x0a\x04logs")
    assert seen[1] is None  # the timeout is of the handshake, and not of the stream


def test_a_server_that_does_not_acknowledge_is_given_up(side: Side, address: str) -> None:
    class Silent:
        def Stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
            for _ in requests:
                yield from ()

    with side.flavour.serving(address, {STREAMING: Silent()}), side.connect(address) as channel:
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            side.open(channel, STREAM, "logs", timeout=0.2)
        took = time.monotonic() - began

        assert 0.2 <= took < 2
        assert "the server did not say within 0.2 s that stream 'logs' is open" in str(caught.value)
        assert not channel.closed


def test_a_server_that_ends_the_stream_instead_has_not_opened_it(side: Side, address: str) -> None:
    class Ending:
        def Stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
            next(requests)
            yield from ()

    with (
        side.flavour.serving(address, {STREAMING: Ending()}),
        side.connect(address) as channel,
        pytest.raises(RemoteProtocolError, match="ended stream 'logs' without the message"),
    ):
        side.open(channel, STREAM, "logs", timeout=LIMIT)


def test_a_server_without_the_service_gets_no_message(side: Side, address: str) -> None:
    frames: list[str] = []

    def trace(direction: str, *_: Any) -> None:
        frames.append(direction)

    with (
        side.serving(address, {}),
        side.connect(address, trace=trace) as channel,
        pytest.raises(RpcError) as caught,
    ):
        side.open(channel, STREAM, "logs", timeout=LIMIT)

    assert caught.value.code is Code.UNIMPLEMENTED
    assert frames == ["sent", "received"]  # Go ttrpc 1.2.0 to 1.2.7 would die of a third


def test_an_empty_id_is_refused_before_anything_is_sent(side: Side, channel: Any) -> None:
    with pytest.raises(MessageError, match="id: empty; want a name that no other stream has"):
        side.open(channel, STREAM, "", timeout=LIMIT)

    assert channel.counters.frames_sent == 0


class SyncEcho:
    """A handler of one's own."""

    def Stream(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        opened = accept(requests, context)
        yield ACK
        yield note(f"{opened.id} in {opened.namespace}")
        yield from requests


class AioEcho:
    """The same for asyncio."""

    async def Stream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        opened = await accept_async(requests, context)
        yield ACK
        yield note(f"{opened.id} in {opened.namespace}")
        async for message in requests:
            yield message


def test_a_handler_of_ones_own_accepts(side: Side, address: str) -> None:
    echo = SyncEcho() if side.name == "sync" else AioEcho()
    with (
        side.serving(address, {STREAMING: echo}),
        side.connect(address) as channel,
        side.open(
            channel, STREAM, "logs", timeout=LIMIT, metadata={NAMESPACE_KEY: "k8s.io"}
        ) as stream,
    ):
        stream.send(note("echo"))
        stream.close_send()

        assert [text_of(each) for each in stream] == ["logs in k8s.io", "echo"]


def test_sending_waits_while_nobody_takes_and_ends_with_the_stream(side: Side) -> None:
    opened = Opened("logs", "")
    context: Any = type("Context", (), {"method": STREAM, "cancelled": False})()
    cls: Any = HubStream if side.name == "sync" else AsyncHubStream
    stream = side.do(cls, opened, iter(()), context)
    for number in range(MAX_QUEUED):
        side.run(stream.send(number))

    waiting = background(lambda: side.run(stream.send("one too many")))
    with pytest.raises(TimeoutError):
        waiting.result(0.1)
    side.do(stream.end)

    with pytest.raises(RpcError, match="CANCELLED: stream 'logs' has ended"):
        waiting.result(LIMIT)
