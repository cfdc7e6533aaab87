"""The client's session and its streaming calls, without a socket or a clock."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.echo import ECHO, Message
from tests.support.frames import DATA, RESPONSE, frame, sent
from toolkit.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LocalProtocolError,
    RemoteProtocolError,
    RpcError,
)
from toolkit.rpc.call import CallEncoder
from toolkit.rpc.deadline import exceeded
from toolkit.rpc.envelope import encode_response, encode_status
from toolkit.rpc.session import ClientSession
from toolkit.rpc.stream import StreamCall
from toolkit.status import Code

A = Message(text="a").SerializeToString()


def opened(method: str, payload: bytes = b"") -> tuple[ClientSession, StreamCall]:
    session = ClientSession()
    call = StreamCall(session, CallEncoder(), ECHO[method], None, None)
    call.open(payload, 0.0)
    return session, call


def failure(code: Code, message: str) -> bytes:
    return frame(1, RESPONSE, 0, encode_status(RpcError(code, message)))


def test_replies_find_their_calls() -> None:
    session = ClientSession()
    first, second = session.open(b"1"), session.open(b"2")
    news = session.receive(frame(3, RESPONSE, 0, b"b") + frame(1, RESPONSE, 0, b"a"))
    assert news == [second, first]
    assert (first.response, second.response) == (b"a", b"b")
    assert first.answered()


def test_the_end_of_the_connection_fails_each_call_with_an_error_of_its_own() -> None:
    session = ClientSession()
    calls = [session.open(b""), session.open(b"", receives=True)]
    assert session.close(ConnectionClosed("gone", by_peer=True)) == calls
    assert session.close(ConnectionClosed("again", by_peer=False)) == []
    errors = [call.error for call in calls]
    assert errors[0] is not errors[1]
    assert all(call.answered() and call.finished for call in calls)
    with pytest.raises(ConnectionClosed, match="gone"):
        session.open(b"")


def test_a_peer_that_breaks_the_protocol_closes_the_session_after_what_came_before() -> None:
    session = ClientSession()
    good, lost = session.open(b""), session.open(b"")
    news = session.receive(frame(1, RESPONSE, 0, b"a") + b"HTTP/1.1 400 Bad Request")
    assert news == [good, lost]
    assert good.response == b"a"
    assert isinstance(lost.error, ConnectionClosed)


def test_one_failed_call_is_news_for_itself() -> None:
    session = ClientSession()
    call = session.open(b"")
    session.receive(frame(1, DATA, 0, b"x"))
    assert isinstance(call.error, RemoteProtocolError)


def test_server_streaming_gives_messages_then_none() -> None:
    session, call = opened("Expand", A)
    assert not call.ready()
    session.receive(frame(1, DATA, 0, A) + frame(1, DATA, 0x05))
    assert call.ready()
    assert [call.take(), call.take(), call.take()] == [Message(text="a"), None, None]
    assert call.over
    assert call.failure() is None


def test_point_16_an_error_comes_after_the_messages_and_stays() -> None:
    session, call = opened("Expand")
    session.receive(frame(1, DATA, 0, A) + failure(Code.ABORTED, "enough"))
    assert call.take() == Message(text="a")
    for _ in range(2):
        with pytest.raises(RpcError, match="enough"):
            call.take()
    assert isinstance(call.failure(), RpcError)


@pytest.mark.parametrize(("payload", "messages"), [(b"", []), (A, [Message(text="a")])])
def test_a_stream_that_ends_with_an_ok_response_may_have_a_last_message_in_it(
    payload: bytes, messages: list[Any]
) -> None:
    session, call = opened("Expand")
    session.receive(frame(1, RESPONSE, 0, encode_response(payload)))
    taken = [call.take() for _ in range(3)]
    assert [each for each in taken if each is not None] == messages
    assert taken[-1] is None


def test_client_streaming_gives_its_reply_once() -> None:
    session, call = opened("Collect")
    call.send(A, 0.0)
    call.close_send()
    session.receive(frame(1, RESPONSE, 0, encode_response(A)))
    assert [call.take(), call.take()] == [Message(text="a"), None]
    assert [each[2] for each in sent(session.wire)] == [0x06, 0x00, 0x05]


@pytest.mark.parametrize("method", ["Collect", "Expand"])
def test_a_malformed_response_is_the_peers_fault(method: str) -> None:
    session, call = opened(method)
    session.receive(frame(1, RESPONSE, 0, b"\xff"))
    assert isinstance(call.failure(), RemoteProtocolError)
    with pytest.raises(RemoteProtocolError, match="malformed"):
        call.take()


def test_sending_on_a_call_that_failed_says_why() -> None:
    session, call = opened("Chat")
    session.receive(failure(Code.UNIMPLEMENTED, "method Chat"))
    with pytest.raises(RpcError, match="method Chat"):
        call.send(A, 0.0)


def test_point_17_nothing_is_sent_once_the_server_has_ended_the_call() -> None:
    session, call = opened("Chat")
    session.receive(frame(1, DATA, 0x05))
    sent(session.wire)
    with pytest.raises(LocalProtocolError, match="is over"):
        call.send(A, 0.0)
    call.close_send()
    assert sent(session.wire) == []


def test_server_streaming_takes_one_message() -> None:
    session = ClientSession()
    call = StreamCall(session, CallEncoder(), ECHO["Expand"], {"k": "v"}, None)
    assert call.failure() is None
    call.cancel()
    with pytest.raises(LocalProtocolError, match="send it first"):
        call.close_send()
    call.send(call.encode({"text": "a"}), 0.0)
    with pytest.raises(LocalProtocolError, match="takes one message"):
        call.send(A, 0.0)
    call.close_send()
    assert [each[2] for each in sent(session.wire)] == [0x01]


def test_a_deadline_ends_the_call_on_this_side() -> None:
    session, call = opened("Chat")
    call.fail(exceeded())
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            call.take()
    assert session.wire.streams == {}


def test_a_reader_that_is_too_far_behind_loses_its_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.rpc.inbox.MAX_BYTES", len(A))
    session, call = opened("Chat")
    session.receive(frame(1, DATA, 0, A) * 2)
    assert call.take() == Message(text="a")
    with pytest.raises(RpcError, match="wait to be read"):
        call.take()


def test_a_stream_knows_whether_messages_may_follow() -> None:
    assert opened("Chat")[1].sends
    assert not opened("Expand")[1].sends


def test_a_call_that_is_open_has_not_failed() -> None:
    _, call = opened("Collect")
    assert call.failure() is None
    assert not call.over
    call.cancel()
    assert call.over


def test_a_stream_whose_connection_ends_fails_with_that() -> None:
    session, call = opened("Collect")
    session.close(ConnectionClosed("gone", by_peer=True))
    assert call.ready()
    with pytest.raises(ConnectionClosed, match="gone"):
        call.take()
