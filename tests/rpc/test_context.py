"""What a handler sees of its call, and what its exceptions say to the client."""

from __future__ import annotations

import pytest

from tests.support.echo import ECHO, Message
from toolkit.errors import RemoteProtocolError, RpcError
from toolkit.rpc.call import CallEncoder, decode_message, decode_reply
from toolkit.rpc.context import Context, Peer
from toolkit.rpc.envelope import encode_status
from toolkit.rpc.failure import report, status_of
from toolkit.rpc.inbox import Inbox
from toolkit.rpc.metadata import Metadata
from toolkit.status import Code


def context(deadline: float | None = None) -> Context:
    return Context(ECHO["Unary"], Peer("test"), (("A", "1"),), deadline, lambda: 10.0)


def test_metadata_is_read_when_it_is_asked_for_and_can_be_replaced() -> None:
    one = context()
    assert one.metadata.get("a") == "1"
    assert one.metadata is one.metadata
    one.replace_metadata(Metadata([("b", "2")]))
    assert one.metadata.items() == [("b", "2")]


@pytest.mark.parametrize(("deadline", "cancelled"), [(None, False), (10.5, False), (9.0, True)])
def test_a_call_past_its_deadline_is_cancelled(deadline: float | None, cancelled: bool) -> None:
    assert context(deadline).cancelled is cancelled


def test_a_call_whose_client_is_gone_is_cancelled() -> None:
    one = context()
    one.cancel()
    assert one.cancelled


def test_only_what_a_handler_did_not_mean_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    report("/s/Meant", RpcError(Code.NOT_FOUND))
    report("/s/Bug", ZeroDivisionError())
    assert "/s/Bug failed" in caplog.text
    assert "Meant" not in caplog.text


def test_an_exception_without_text_says_its_type() -> None:
    assert status_of(ZeroDivisionError()).message == "ZeroDivisionError"


def test_bytes_that_are_no_message_are_the_peers_fault() -> None:
    for decode, data in ((decode_message, b"\x0a\x05"), (decode_reply, b"\x12\x02\x0a\x05")):
        with pytest.raises(RemoteProtocolError, match=r"2 bytes that are no test\.v1\.Message"):
            decode(ECHO["Unary"], data)
    assert decode_message(ECHO["Unary"], b"\x0a\x01a") == Message(text="a")


def test_the_first_end_of_an_inbox_counts() -> None:
    inbox = Inbox()
    inbox.end()
    inbox.end(RpcError(Code.ABORTED))
    assert inbox.take() is None


def test_the_second_request_of_a_method_is_like_the_first() -> None:
    encoder = CallEncoder()
    given = (ECHO["Unary"], b"", {"k": "v"}, None, 0.0)
    assert encoder.request(*given) == encoder.request(*given)
    with pytest.raises(RpcError, match="why"):
        decode_reply(ECHO["Unary"], encode_status(RpcError(Code.ABORTED, "why")))


class Mute(Exception):
    """An exception that has no text."""

    def __str__(self) -> str:
        raise ValueError


def test_an_exception_whose_text_fails_says_its_type(caplog: pytest.LogCaptureFixture) -> None:
    assert status_of(Mute()).message == "Mute"
    assert "a Mute has no text" in caplog.text
