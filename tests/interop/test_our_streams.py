"""Our clients stream to and from foreign servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.interop.foreign import STREAMING
from tests.interop.matrix import Topic, as_client
from tests.interop.service import ABSENT, INTEROP, LACKING, LARGE, Item
from tests.support.peer import background
from toolkit.errors import ConnectionClosed, DeadlineExceeded, RpcError
from toolkit.status import Code
from toolkit.wire.frame import MAX_DATA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.interop.foreign import Peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("peer", STREAMING, ids=lambda peer: peer.path),
]

ECHO, COUNT, SUM, CHAT, DIVIDE, STREAM_METADATA = (
    INTEROP[name] for name in ("Echo", "Count", "Sum", "Chat", "Divide", "StreamMetadata")
)
UNKNOWN = [
    *(ABSENT[name] for name in ("Collect", "Expand", "Chat")),
    *(LACKING[name] for name in ("MissingCollect", "MissingExpand", "MissingChat")),
]
LIMIT = 20.0  # seconds for a call, far above what it takes


def works(channel: Any) -> bool:
    """Whether the connection carries streams."""
    with channel.stream(CHAT, {"number": 7}, timeout=LIMIT) as stream:
        stream.close_send()
        return [item.number for item in stream] == [7]


def send_all(stream: Any, messages: Iterable[Any]) -> None:
    for message in messages:
        stream.send(message)
    stream.close_send()


def total(channel: Any, items: Iterable[Any]) -> tuple[int, int, int]:
    """What the server says about the items that it got."""
    with channel.stream(SUM, timeout=LIMIT) as stream:
        send_all(stream, items)
        reply = stream.receive()
        assert stream.receive() is None
    return reply.items, reply.bytes, reply.sum


@as_client(Topic.CLIENT_STREAMING)
def test_point_36_many_messages_get_one_reply(channel: Any) -> None:
    assert total(channel, [{"number": number} for number in range(101)]) == (101, 0, 5050)


@as_client(Topic.CLIENT_STREAMING)
def test_point_23_no_message_arrives_as_none(channel: Any) -> None:
    assert total(channel, []) == (0, 0, 0)


@as_client(Topic.CLIENT_STREAMING)
def test_a_thousand_messages_in_one_stream_arrive_all(channel: Any) -> None:
    messages = [{"number": 1, "data": bytes(100)} for _ in range(1000)]

    assert total(channel, messages) == (1000, 100_000, 1000)


@as_client(Topic.SERVER_STREAMING)
@pytest.mark.parametrize("count", [100, 1, 0])
def test_point_36_every_message_comes_in_order_then_the_end(channel: Any, count: int) -> None:
    with channel.stream(COUNT, {"count": count, "size": 32}, timeout=LIMIT) as stream:
        items = list(stream)

        assert items == [Item(number=n, data=bytes(32)) for n in range(1, count + 1)]
        assert stream.receive() is None
        assert stream.receive() is None


@as_client(Topic.SERVER_STREAMING)
def test_a_stream_that_is_left_early_does_not_disturb_the_next(channel: Any) -> None:
    with channel.stream(COUNT, {"count": 1000}, timeout=LIMIT) as stream:
        assert stream.receive().number == 1

    with channel.stream(COUNT, {"count": 1000}, timeout=LIMIT) as stream:
        assert [item.number for item in stream] == list(range(1, 1001))


@as_client(Topic.BIDI)
def test_point_36_messages_go_both_ways_in_turn(channel: Any) -> None:
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        for number in range(100):
            stream.send({"number": number})
            assert stream.receive().number == number
        stream.close_send()
        assert stream.receive() is None


@as_client(Topic.BIDI)
def test_point_23_no_message_is_answered_by_none(channel: Any) -> None:
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        stream.close_send()
        assert list(stream) == []


@as_client(Topic.BIDI)
def test_a_thousand_messages_ahead_of_the_replies_come_back_in_order(channel: Any) -> None:
    numbers = range(1000)
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        sending = background(send_all, stream, [{"number": number} for number in numbers])
        assert [item.number for item in stream] == list(numbers)
        sending.result(LIMIT)


@as_client(Topic.BIDI)
def test_a_stream_and_calls_share_the_connection(channel: Any) -> None:
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        for number in range(20):
            stream.send({"number": number})
            assert channel.call(ECHO, {"number": -number}, timeout=LIMIT).number == -number
            assert stream.receive().number == number


@as_client(Topic.EMPTY)
def test_point_7_empty_messages_arrive_as_messages(channel: Any) -> None:
    assert total(channel, [{}, {}, {}]) == (3, 0, 0)


@as_client(Topic.EMPTY)
def test_point_7_empty_messages_come_as_messages(channel: Any) -> None:
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        send_all(stream, [{}, {}, {}])
        assert list(stream) == [Item()] * 3


@as_client(Topic.EMPTY)
def test_point_23_an_empty_request_opens_a_server_stream(channel: Any) -> None:
    with channel.stream(STREAM_METADATA, {}, timeout=LIMIT) as stream:
        assert len(list(stream)) == 1


@as_client(Topic.LARGE)
def test_point_2_large_messages_stream_to_the_server(channel: Any) -> None:
    assert total(channel, [{"data": bytes(LARGE)}] * 3) == (3, 3 * LARGE, 0)


@as_client(Topic.LARGE)
def test_point_2_large_messages_stream_from_the_server(channel: Any) -> None:
    with channel.stream(COUNT, {"count": 4, "size": LARGE}, timeout=LIMIT) as stream:
        assert [len(item.data) for item in stream] == [LARGE] * 4


@as_client(Topic.LARGE)
def test_point_2_a_streamed_message_of_exactly_the_limit_comes_back(channel: Any) -> None:
    item = Item(data=bytes(MAX_DATA - 5))  # the bytes around the data
    assert item.ByteSize() == MAX_DATA
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        sending = background(send_all, stream, [item])
        assert list(stream) == [item]
        sending.result(LIMIT)


@as_client(Topic.OVERSIZE)
def test_point_2_a_message_over_the_limit_is_refused_and_the_stream_goes_on(channel: Any) -> None:
    with channel.stream(CHAT, timeout=LIMIT) as stream:
        with pytest.raises(RpcError, match="TTRPC allows 4194304") as caught:
            stream.send({"data": bytes(MAX_DATA)})
        stream.send({"number": 1})
        stream.close_send()
        assert [item.number for item in stream] == [1]

    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@as_client(Topic.OVERSIZE)
def test_point_3_a_message_over_the_limit_from_the_server_ends_the_stream(
    channel: Any, peer: Peer
) -> None:
    request = {"count": 1, "size": MAX_DATA}
    with (
        channel.stream(COUNT, request, timeout=LIMIT) as stream,
        pytest.raises((RpcError, ConnectionClosed)) as caught,
    ):
        list(stream)

    if peer.is_rust:  # its handler's send fails, and that is what the handler fails with
        assert isinstance(caught.value, RpcError)
        assert caught.value.code is Code.UNKNOWN
        assert works(channel)
    else:  # Go server.go: a message that the channel does not take ends the connection
        assert isinstance(caught.value, ConnectionClosed)
        assert caught.value.by_peer


@as_client(Topic.METADATA)
def test_point_15_metadata_and_timeout_travel_with_a_stream(channel: Any) -> None:
    metadata = {"Key-1": ["two", "one"]}
    with channel.stream(STREAM_METADATA, {}, timeout=LIMIT, metadata=metadata) as stream:
        [seen] = list(stream)

    pairs = [(entry.key, entry.value) for entry in seen.metadata]
    assert pairs == [("key-1", "two"), ("key-1", "one")]
    assert 0 < seen.timeout_nano <= LIMIT * 1e9


@as_client(Topic.TIMEOUTS)
def test_point_15_a_deadline_ends_a_stream_that_waits(channel: Any) -> None:
    # Rust's server does not enforce the deadline of a stream (async/server.rs); our clock does.
    request = {"count": 2, "pause_milliseconds": 300}
    with channel.stream(COUNT, request, timeout=0.1) as stream:
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                stream.receive()

    assert works(channel)


@as_client(Topic.UNKNOWN)
@pytest.mark.parametrize("method", UNKNOWN, ids=lambda method: method.full_name)
def test_point_36_what_the_server_lacks_is_refused(channel: Any, peer: Peer, method: Any) -> None:
    absent = method.service.name == ABSENT.name
    assert refusal(channel, method) == (peer.unknown_service if absent else peer.unknown_method)


def refusal(channel: Any, method: Any) -> int:
    """The code with which a server ends a stream at once; nothing may be sent after it."""
    with channel.stream(method, timeout=LIMIT) as stream:
        if not method.kind.client_streaming:
            stream.send({})
        with pytest.raises(RpcError) as caught:
            stream.receive()
        before = channel.counters.frames_sent
        stream.close_send()
        assert channel.counters.frames_sent == before
    assert works(channel)
    return int(caught.value.code)


@as_client(Topic.ERRORS)
def test_point_16_an_error_comes_after_the_messages_before_it_and_stays(channel: Any) -> None:
    failure = {"code": 9, "message": "three are enough"}
    with channel.stream(COUNT, {"count": 3, "failure": failure}, timeout=LIMIT) as stream:
        assert [stream.receive().number for _ in range(3)] == [1, 2, 3]
        for _ in range(2):
            with pytest.raises(RpcError, match="FAILED_PRECONDITION: three are enough"):
                stream.receive()

    assert works(channel)


@as_client(Topic.ERRORS)
def test_point_16_an_error_comes_after_the_answers_of_a_dialogue(channel: Any) -> None:
    with channel.stream(DIVIDE, timeout=LIMIT) as stream:
        stream.send({"dividend": 7, "divisor": 2})
        stream.send({"dividend": 1, "divisor": 0})
        assert stream.receive().number == 3
        with pytest.raises(RpcError, match="INVALID_ARGUMENT: 1 divided by zero"):
            stream.receive()

    assert works(channel)


@as_client(Topic.ERRORS)
def test_point_17_nothing_is_sent_after_an_early_refusal(channel: Any) -> None:
    with channel.stream(SUM, timeout=LIMIT) as stream:
        stream.send({"number": -1})
        with pytest.raises(RpcError, match="INVALID_ARGUMENT: -1 is negative"):
            stream.receive()
        before = channel.counters.frames_sent
        with pytest.raises(RpcError, match="INVALID_ARGUMENT: -1 is negative"):
            stream.send({"number": 1})
        stream.close_send()
        assert channel.counters.frames_sent == before

    assert works(channel)


@as_client(Topic.CONCURRENT)
def test_point_10_a_hundred_streams_at_once_stay_apart(channel: Any) -> None:
    def chat(start: int) -> bool:
        with channel.stream(CHAT, timeout=LIMIT) as stream:
            for number in range(start, start + 20):
                stream.send({"number": number})
                if stream.receive().number != number:
                    return False
            stream.close_send()
            return stream.receive() is None

    chats = [background(chat, 1000 * index) for index in range(100)]

    assert all(each.result(LIMIT) for each in chats)
