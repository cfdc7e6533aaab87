"""The server's session: what becomes of each Request, without a socket or a clock."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

import toolkit
from tests.support.echo import ECHO, Message
from tests.support.frames import DATA, REQUEST, RESPONSE, frame, sent
from toolkit.errors import LocalProtocolError, RawAny, RpcError, SchemaError
from toolkit.rpc.context import Peer
from toolkit.rpc.dispatch import ServerSession
from toolkit.rpc.envelope import decode_response, encode_request, request_prefix
from toolkit.rpc.router import Router
from toolkit.status import Code

OTHER = toolkit.load("kata@4.1").service("grpc.Health")


class Everything:
    """Has every method; the tests answer in its place."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Clock:
    """A clock that stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Served:
    """A session, and the calls that it has begun."""

    def __init__(self, implementation: object = None) -> None:
        router = Router()
        router.add(ECHO, implementation or Everything())
        self.clock = Clock()
        self.session = ServerSession(router, Peer("test"), self.clock)

    def take(self, *frames: bytes) -> tuple[list[Any], list[Any]]:
        return self.session.receive(b"".join(frames))

    def call(self, method: str, payload: bytes = b"", *, flags: int = 0, nano: int = 0) -> Any:
        [call], _ = self.take(request(1, method, payload, flags=flags, nano=nano))
        return call

    def statuses(self) -> list[tuple[int, Any]]:
        """Stream id and status code of each Response; None is OK."""
        found = []
        for stream_id, message_type, _, data in sent(self.session.wire):
            assert message_type == RESPONSE
            error = decode_response(data or b"")[1]
            found.append((stream_id, None if error is None else error.code))
        return found


def request(
    stream_id: int, method: str, payload: bytes = b"", *, flags: int = 0, nano: int = 0
) -> bytes:
    body = encode_request(request_prefix(ECHO.name, method), payload, nano)
    return frame(stream_id, REQUEST, flags, body)


A = Message(text="a").SerializeToString()


def test_a_unary_call_has_its_request_and_is_answered_once() -> None:
    served = Served()
    call = served.call("Unary", A)
    assert call.request() == Message(text="a")
    served.session.reply(call, call.encode({"text": "b"}))
    served.session.reply(call, b"again")
    assert [each[3] for each in sent(served.session.wire)] == [b"\x12\x03\x0a\x01b"]


@pytest.mark.parametrize("flags", [0x02, 0x06])
def test_point_23_a_request_without_payload_is_no_message(flags: int) -> None:
    call = Served().call("Chat", flags=flags)
    assert len(call.inbox) == 0
    assert not call.inbox.is_ready()


def test_a_request_with_payload_is_the_first_message_of_a_stream() -> None:
    call = Served().call("Chat", A, flags=0x02)
    assert call.inbox.take() == A


def test_a_request_that_says_remote_closed_ends_the_messages() -> None:
    call = Served().call("Collect", flags=0x01)
    assert call.inbox.take() is None


def test_messages_and_the_end_reach_the_inbox() -> None:
    served = Served()
    call = served.call("Chat", flags=0x06)
    new, news = served.take(frame(1, DATA, 0, A), frame(1, DATA, 0x05))
    assert (new, news) == ([], [call, call])
    assert [call.inbox.take(), call.inbox.take(), call.inbox.take()] == [A, None, None]
    assert call.decode(A) == Message(text="a")


def test_an_inbox_that_is_full_ends_its_call_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.rpc.inbox.MAX_MESSAGES", 1)
    served = Served()
    call = served.call("Chat", flags=0x06)
    served.take(frame(1, DATA, 0, A), frame(1, DATA, 0, A), frame(1, DATA, 0x01, A))
    assert served.statuses() == [(1, Code.RESOURCE_EXHAUSTED)]
    assert call.context.cancelled
    assert call.inbox.take() == A
    with pytest.raises(RpcError, match="wait to be read"):
        call.inbox.take()


def test_a_server_that_drains_refuses_new_calls_and_ends_the_old_ones() -> None:
    served = Served()
    call = served.call("Unary")
    served.session.draining = True
    served.take(request(3, "Unary"))
    served.session.reply(call, b"")
    assert served.statuses() == [(3, Code.UNAVAILABLE), (1, None)]


def test_point_21_a_reply_that_is_too_long_becomes_an_error() -> None:
    served = Served()
    call = served.call("Unary")
    served.session.reply(call, bytes(4 << 20))
    assert served.statuses() == [(1, Code.RESOURCE_EXHAUSTED)]


def test_a_status_that_is_too_long_loses_its_details() -> None:
    served = Served()
    call = served.call("Unary")
    served.session.fail(call, RpcError(Code.ABORTED, "why", [RawAny("x", bytes(4 << 20))]))
    assert served.statuses() == [(1, Code.ABORTED)]


def test_a_stream_of_messages_ends_orderly() -> None:
    served = Served()
    call = served.call("Expand")
    served.session.send(call, A)
    served.session.end(call)
    with pytest.raises(LocalProtocolError):
        served.session.send(call, A)
    assert [each[1:3] for each in sent(served.session.wire)] == [(DATA, 0), (DATA, 5)]


@pytest.mark.parametrize("answer", ["reply", "end"])
def test_point_24_what_comes_after_the_deadline_is_deadline_exceeded(answer: str) -> None:
    served = Served()
    call = served.call("Unary" if answer == "reply" else "Expand", nano=1_000_000_000)
    assert call.context.time_remaining() == 1.0
    served.clock.now += 1.0
    if answer == "reply":
        served.session.reply(call, b"")
    else:
        served.session.end(call)
    assert served.statuses() == [(1, Code.DEADLINE_EXCEEDED)]


def test_point_24_calls_expire_one_by_one() -> None:
    served = Served()
    [late], _ = served.take(request(1, "Unary", nano=10**9))
    served.take(request(3, "Unary", nano=3 * 10**9), request(5, "Unary"))
    assert served.session.next_deadline == 101.0
    assert served.session.expire(102.0) == [late]
    assert late.context.cancelled
    assert served.session.next_deadline == 103.0
    assert served.statuses() == [(1, Code.DEADLINE_EXCEEDED)]


def test_the_end_of_the_connection_cancels_every_call() -> None:
    served = Served()
    calls, _ = served.take(request(1, "Unary"), request(3, "Chat", flags=0x06))
    assert served.session.close() == calls
    assert all(call.context.cancelled and call.stream.finished for call in calls)
    with pytest.raises(RpcError, match="the client is gone"):
        calls[1].inbox.take()
    served.session.fail(calls[0], ValueError("late"))
    assert served.statuses() == []


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"\xff", 3), (b"\x0a\x01x", 12), (request_prefix(ECHO.name, "None"), 12)],
)
def test_requests_that_nobody_can_answer(body: bytes, code: int) -> None:
    served = Served()
    assert served.take(frame(1, REQUEST, 0, body)) == ([], [])
    assert served.statuses() == [(1, code)]


def test_a_service_is_added_once() -> None:
    router = Router()
    router.add(ECHO, Everything())
    assert router.services == {ECHO.name: ECHO}
    with pytest.raises(SchemaError, match="is served already"):
        router.add(ECHO, Everything())


def test_a_method_that_the_implementation_lacks_is_unimplemented() -> None:
    class OnlyChat:
        def Chat(self, requests: Any, context: Any) -> Any: ...

    served = Served(OnlyChat())
    served.take(request(1, "Unary"))
    assert served.statuses() == [(1, Code.UNIMPLEMENTED)]


def test_an_implementation_of_nothing_is_refused() -> None:
    with pytest.raises(SchemaError, match="has none of the methods"):
        Router().add(ECHO, object())


class Typed:
    """As a generated base class is: it says what it is for."""

    __service__ = ECHO
    __methods__: ClassVar = {"Unary": "unary_"}
    __is_async__ = False

    def unary_(self, request: Any, context: Any) -> Any:
        return request

    def Bidi(self, requests: Any, context: Any) -> Any:
        """No handler: it is not among the methods."""


def test_an_implementation_that_says_what_it_is_for_comes_alone() -> None:
    router, typed = Router(), Typed()

    router.add(typed)

    assert router.find(ECHO.name, "Unary").handler == typed.unary_
    with pytest.raises(RpcError, match="method Bidi"):
        router.find(ECHO.name, "Bidi")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((Typed,), r"add wants an instance, Typed\(\), and not the class Typed"),
        ((ECHO, Typed), r"add wants an instance, Typed\(\), and not the class Typed"),
        ((ECHO,), "add wants an implementation too, behind the service"),
        ((object(),), "object alone does not say which service it is for"),
        ((Everything(),), "Everything alone does not say which service it is for"),
        (
            (ECHO.name, Typed()),
            r"add wants a service, as schema\.service\(\.\.\.\) gives",
        ),
        ((OTHER, Typed()), f"Typed is for {ECHO.name}, and not for grpc.Health"),
    ],
)
def test_what_cannot_be_added_is_a_mistake_of_the_caller_s(given: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        Router().add(*given)


@pytest.mark.parametrize("given", [(Typed(),), (ECHO, Typed())])
def test_an_implementation_of_the_other_flavour_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"Typed is for sync\.Server, and this is aio\.Server"):
        Router(is_async=True).add(*given)


def test_a_payload_that_is_no_message_is_internal() -> None:
    call = Served().call("Unary", b"\x0a\x05")
    with pytest.raises(RpcError, match=r"2 bytes that are no test\.v1\.Message") as caught:
        call.request()
    assert caught.value.code is Code.INTERNAL


def test_what_fails_before_it_is_a_call_is_answered_and_forgotten() -> None:
    served = Served()
    new, news = served.take(frame(2, REQUEST), frame(3, DATA), request(5, "Unary"))
    assert len(new) == 1
    assert news == []
    assert served.statuses() == [(2, Code.INVALID_ARGUMENT), (3, Code.INVALID_ARGUMENT)]


def test_point_6_a_timeout_below_zero_has_passed() -> None:
    served = Served()
    served.take(request(1, "Unary", nano=-5))
    assert served.statuses() == [(1, Code.DEADLINE_EXCEEDED)]


def test_a_client_that_sends_no_more_breaks_off_the_streams_it_has_not_ended() -> None:
    served = Served()
    calls, _ = served.take(
        request(1, "Unary"), request(3, "Chat", flags=0x06), request(5, "Chat", flags=0x01)
    )
    assert served.session.half_close() == [calls[1]]
    with pytest.raises(RpcError, match="in the middle of a stream"):
        calls[1].inbox.take()
    assert not calls[0].context.cancelled


def test_all_handlers_can_be_told_to_stop_and_may_still_answer() -> None:
    served = Served()
    [call], _ = served.take(request(1, "Unary"))
    assert served.session.cancel_all() == [call]
    assert call.context.cancelled
    served.session.reply(call, b"")
    assert served.statuses() == [(1, None)]


def test_a_call_whose_turn_comes_too_late_is_not_begun() -> None:
    served = Served()
    [late, good], _ = served.take(request(1, "Unary", nano=10**9), request(3, "Unary"))
    served.clock.now += 2
    assert not served.session.begin(late)
    assert served.session.begin(good)
    assert served.statuses() == [(1, Code.DEADLINE_EXCEEDED)]


def test_a_request_that_is_decoded_in_full_may_have_no_time_left() -> None:
    served = Served()
    body = encode_request(request_prefix(ECHO.name, "Unary"), b"", -1, b"")
    served.take(frame(1, REQUEST, 0, body + b"\x78\x01"))  # and a field that we do not know
    assert served.statuses() == [(1, Code.DEADLINE_EXCEEDED)]


@pytest.mark.parametrize(("method", "message"), [("Unary", Message(text="a")), ("Chat", None)])
def test_what_interceptors_change_reaches_the_handler(method: str, message: Any) -> None:
    call = Served().call(method, A)
    given = call.given("request" if message is None else message)
    assert given.message == message
    assert call.intercepted("request", given) == ("request" if message is None else message)
    call.intercepted("request", given.replace(metadata={"k": "v"}))
    assert call.context.metadata.get("k") == "v"
