"""Streaming calls between our client and our server."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ABSENT, ECHO, Message
from tests.support.peer import background
from toolkit.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LocalProtocolError,
    MessageError,
    RpcError,
)
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.flavours import Flavour

UNARY, COLLECT, EXPAND, CHAT = (ECHO[name] for name in ("Unary", "Collect", "Expand", "Chat"))


class Streams:
    """Every kind of stream."""

    def __init__(self) -> None:
        self.contexts: list[Any] = []
        self.ended = threading.Event()

    def Unary(self, request: Any, context: Any) -> Any:
        return request

    def Collect(self, requests: Any, context: Any) -> Any:
        return {"words": [request.text for request in requests]}

    def Expand(self, request: Any, context: Any) -> Iterator[Any]:
        self.contexts.append(context)
        try:
            for number in range(request.number):
                yield {"number": number}
            if request.text:
                raise RpcError(Code.ABORTED, request.text)
        finally:
            self.ended.set()

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            if request.text == "stop":
                return
            if request.text == "fail":
                raise RpcError(Code.ABORTED, "as asked")
            yield request


@pytest.fixture
def streams() -> Streams:
    """The implementation."""
    return Streams()


@pytest.fixture
def channel(flavour: Flavour, address: str, streams: Streams) -> Iterator[Any]:
    """A channel to a server with every kind of stream."""
    with (
        flavour.serving(address, {ECHO: streams}) as (_, bound),
        flavour.connect(bound) as connected,
    ):
        yield connected


def texts(messages: Any) -> list[str]:
    return [message.text for message in messages]


def test_client_streaming_gives_its_one_reply(channel: Any) -> None:
    with channel.stream(COLLECT) as stream:
        for word in ("a", "", "c"):
            stream.send({"text": word})
        stream.close_send()

        assert list(stream.receive().words) == ["a", "", "c"]
        assert stream.receive() is None


def test_client_streaming_can_be_iterated(channel: Any) -> None:
    with channel.stream(COLLECT) as stream:
        stream.close_send()
        assert list(stream) == [Message()]


def test_server_streaming_gives_every_message_then_none(channel: Any) -> None:
    with channel.stream(EXPAND, {"number": 3}) as stream:
        assert [message.number for message in stream] == [0, 1, 2]
        assert stream.receive() is None
        assert stream.receive() is None


def test_server_streaming_opens_with_its_first_message(channel: Any) -> None:
    with channel.stream(EXPAND) as stream:
        with pytest.raises(LocalProtocolError, match="send it first"):
            stream.receive()
        with pytest.raises(LocalProtocolError, match="send it first"):
            stream.close_send()
        assert channel.counters.frames_sent == 0
        stream.send({"number": 1})
        with pytest.raises(LocalProtocolError, match="takes one message, and has it"):
            stream.send({"number": 1})
        stream.close_send()
        assert len(list(stream)) == 1


def test_point_23_an_empty_request_to_server_streaming_is_a_message(channel: Any) -> None:
    with channel.stream(EXPAND, {}) as stream:
        assert list(stream) == []


def test_bidi_goes_both_ways_in_turn(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        for word in ("a", "", "c"):
            stream.send({"text": word})
            assert stream.receive().text == word
        stream.close_send()
        stream.close_send()
        assert stream.receive() is None


def test_point_7_an_empty_message_is_a_message_and_no_data_is_none(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        stream.send()
        stream.send()
        stream.close_send()
        assert list(stream) == [Message(), Message()]


def test_a_client_method_of_a_stream_gives_the_stream(channel: Any) -> None:
    with channel.client(ECHO).Expand(number=2) as stream:
        assert len(list(stream)) == 2


def test_point_16_an_error_comes_after_the_messages_and_stays(channel: Any) -> None:
    with channel.stream(EXPAND, {"number": 2, "text": "enough"}) as stream:
        assert [stream.receive().number, stream.receive().number] == [0, 1]
        for _ in range(2):
            with pytest.raises(RpcError, match="ABORTED: enough"):
                stream.receive()


def test_the_server_may_end_while_the_client_still_sends(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        stream.send({"text": "stop"})
        assert stream.receive() is None
        with pytest.raises(LocalProtocolError, match="is over"):
            stream.send({"text": "more"})
        stream.close_send()
    assert channel.call(UNARY, {"text": "next"}).text == "next"


def test_sending_on_a_stream_that_failed_says_why(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        stream.send({"text": "fail"})
        with pytest.raises(RpcError, match="as asked"):
            stream.receive()
        with pytest.raises(RpcError, match="as asked"):
            stream.send({"text": "more"})


def test_an_unknown_method_is_refused_and_the_channel_lives(channel: Any) -> None:
    with channel.stream(EXPAND, {"number": 1}) as stream:
        assert len(list(stream)) == 1
    with pytest.raises(RpcError, match=r"service test\.v1\.Absent"):
        channel.call(ABSENT["Unary"])


def test_a_unary_method_is_no_stream(channel: Any) -> None:
    with pytest.raises(TypeError, match="use call"):
        channel.stream(UNARY)


def test_a_message_that_does_not_fit_leaves_the_stream_usable(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        with pytest.raises(MessageError):
            stream.send({"nonsense": 1})
        with pytest.raises(RpcError, match="TTRPC allows"):
            stream.send({"data": bytes(5 << 20)})
        stream.send({"text": "a"})
        assert stream.receive().text == "a"


def test_a_thousand_messages_each_way_without_reading_in_between(channel: Any) -> None:
    with channel.stream(COLLECT) as stream:
        for number in range(1000):
            stream.send({"text": str(number)})
        stream.close_send()
        assert len(stream.receive().words) == 1000
    with channel.stream(EXPAND, {"number": 1000}) as stream:
        assert [message.number for message in stream] == list(range(1000))


def test_one_thread_sends_while_another_one_receives(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        received = background(lambda: texts(stream))
        for number in range(200):
            stream.send({"text": str(number)})
        stream.close_send()
        assert received.result(10) == [str(number) for number in range(200)]


def test_large_messages_both_ways_on_one_stream(channel: Any) -> None:
    data = bytes(3 << 20)
    with channel.stream(CHAT) as stream:
        received = background(lambda: [len(message.data) for message in stream])
        for _ in range(4):
            stream.send({"data": data})
        stream.close_send()
        assert received.result(15) == [len(data)] * 4


def test_point_27_a_stream_that_nobody_reads_does_not_hold_the_others(channel: Any) -> None:
    with (
        channel.stream(EXPAND, {"number": 500}) as unread,
        channel.stream(CHAT) as other,
    ):
        for number in range(50):
            other.send({"number": number})
            assert other.receive().number == number
            assert channel.call(UNARY, {"text": "a"}).text == "a"
        assert len(list(unread)) == 500


def test_point_27_a_reader_that_is_too_far_behind_loses_only_its_stream(
    channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.rpc.inbox.MAX_MESSAGES", 50)
    with channel.stream(EXPAND, {"number": 200}) as unread:
        while not unread._call.over:
            channel.call(UNARY)
        with pytest.raises(RpcError, match="wait to be read") as caught:
            list(unread)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert channel.call(UNARY, {"text": "next"}).text == "next"


def test_leaving_a_stream_early_forgets_it_and_the_channel_lives(channel: Any) -> None:
    with channel.stream(EXPAND, {"number": 100}) as stream:
        stream.receive()
    assert channel.call(UNARY, {"text": "next"}).text == "next"
    assert channel._session.wire.streams == {}


def test_a_stream_has_a_deadline_for_all_of_it(channel: Any) -> None:
    with channel.stream(CHAT, timeout=0.05) as stream:
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                stream.receive()
        with pytest.raises(DeadlineExceeded):
            stream.send({"text": "late"})
    assert channel.call(UNARY, {"text": "next"}).text == "next"


def test_point_15_streams_carry_metadata_and_deadline(channel: Any, streams: Streams) -> None:
    with channel.stream(EXPAND, {"number": 1}, timeout=5, metadata={"K": ["a", "b"]}) as stream:
        list(stream)
    [context] = streams.contexts
    assert context.metadata.get_all("k") == ["a", "b"]
    assert 0 < context.time_remaining() <= 5


def test_a_handler_sees_the_client_go(flavour: Flavour, address: str) -> None:
    seen: list[BaseException] = []
    resumed, ended = threading.Event(), threading.Event()

    class Waits:
        def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
            try:
                for request in requests:
                    yield request
                    resumed.set()  # and now waits for the next one
            except RpcError as exc:
                seen.append(exc)
                raise
            finally:
                ended.set()

    with flavour.serving(address, {ECHO: Waits()}) as (_, bound):
        with flavour.connect(bound) as channel:
            stream = channel.stream(CHAT, {"text": "a"})
            stream.receive()
            assert resumed.wait(5)
        assert ended.wait(5)
    [error] = seen
    assert isinstance(error, RpcError)
    assert error.code is Code.CANCELLED


def test_a_generator_is_closed_when_its_client_goes(channel: Any, streams: Streams) -> None:
    with channel.stream(EXPAND, {"number": 1 << 40}) as stream:
        stream.receive()
        channel.close()
    assert streams.ended.wait(5)


def test_closing_the_channel_fails_its_streams(channel: Any) -> None:
    with channel.stream(CHAT) as stream:
        waiting = background(stream.receive)
        stream.send({"text": "a"})
        waiting.result(5)
        waiting = background(stream.receive)
        channel.close()
        assert isinstance(waiting.exception(5), ConnectionClosed)
        with pytest.raises(ConnectionClosed):
            stream.send({"text": "late"})


def test_interceptors_see_streams_too(flavour: Flavour, address: str, streams: Streams) -> None:
    seen: list[Any] = []

    def interceptor(call: Any, proceed: Any) -> Any:
        seen.append((call.method.name, call.message))
        return proceed(call.replace(metadata={"k": "v"}))

    with (
        flavour.serving(address, {ECHO: streams}, interceptors=[interceptor]) as (_, bound),
        flavour.connect(bound, interceptors=[interceptor]) as channel,
        channel.stream(EXPAND, {"number": 1}) as stream,
    ):
        assert len(list(stream)) == 1
    assert [name for name, _ in seen] == ["Expand", "Expand"]
    assert seen[0][1] is None
    assert streams.contexts[0].metadata.get("k") == "v"


def test_settle_waits_for_a_refusal_before_the_first_message(channel: Any) -> None:
    with channel.stream(CHAT, settle=0.02) as stream:
        stream.send({"text": "a"})
        assert stream.receive().text == "a"
