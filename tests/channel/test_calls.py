"""Unary calls between our client and our server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ABSENT, ECHO, Message
from tests.support.peer import background
from toolkit.errors import DeadlineExceeded, MessageError, RawAny, RpcError, SchemaError
from toolkit.status import Code

if TYPE_CHECKING:
    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]


class Handlers:
    """Each test sets the one it needs."""

    def __init__(self, unary: Any) -> None:
        self.Unary = unary


@pytest.mark.parametrize("message", [Message(text="a"), {"text": "a"}, None])
def test_a_message_a_mapping_or_nothing_can_be_sent(channel: Any, message: Any) -> None:
    reply = channel.call(UNARY, message)

    assert reply == Message(text="a" if message is not None else "")
    assert type(reply) is Message


def test_a_client_takes_fields_as_keywords(channel: Any) -> None:
    echo = channel.client(ECHO)

    assert echo.Unary(text="a", number=3, timeout=5) == Message(text="a", number=3)
    assert echo.Unary({"text": "b"}) == Message(text="b")
    assert "Unary" in dir(echo)


def test_a_client_refuses_a_message_beside_fields(channel: Any) -> None:
    with pytest.raises(TypeError, match="a message and fields"):
        channel.client(ECHO).Unary(Message(), text="a")


def test_a_client_names_the_nearest_method(channel: Any) -> None:
    with pytest.raises(AttributeError, match="did you mean test.v1.Echo/Unary"):
        _ = channel.client(ECHO).Unari


def test_a_field_that_does_not_fit_is_named_and_nothing_is_sent(channel: Any) -> None:
    before = channel.counters.frames_sent
    with pytest.raises(MessageError, match="number"):
        channel.call(UNARY, {"number": "three"})
    assert channel.counters.frames_sent == before


def test_a_streaming_method_is_not_called(channel: Any) -> None:
    with pytest.raises(TypeError, match="use stream"):
        channel.call(ECHO["Expand"])


def test_point_10_threads_share_a_channel_and_each_gets_its_own_reply(channel: Any) -> None:
    def calls(number: int) -> list[str]:
        return [channel.call(UNARY, {"text": f"{number}-{i}"}).text for i in range(20)]

    futures = [background(calls, number) for number in range(32)]

    for number, future in enumerate(futures):
        assert future.result(10) == [f"{number}-{i}" for i in range(20)]


def test_3_mib_both_ways_on_four_threads_do_not_block_each_other(channel: Any) -> None:
    data = bytes(3 << 20)

    def calls() -> bool:
        return all(channel.call(UNARY, {"data": data}).data == data for _ in range(2))

    assert all(future.result(15) for future in [background(calls) for _ in range(4)])


def test_metadata_arrives_with_all_values_in_order(flavour: Flavour, address: str) -> None:
    seen: list[Any] = []
    handlers = Handlers(lambda request, context: seen.append(context.metadata))
    with (
        flavour.serving(address, {ECHO: handlers}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        channel.call(UNARY, metadata={"Key-1": ["b", "a"], "key-2": "c"})

    assert seen[0].items() == [("key-1", "b"), ("key-1", "a"), ("key-2", "c")]


def test_the_handler_sees_method_peer_and_what_is_left(flavour: Flavour, address: str) -> None:
    seen: list[Any] = []

    def unary(request: Any, context: Any) -> None:
        seen.append((context.method, context.peer, context.time_remaining(), context.cancelled))

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        channel.call(UNARY, timeout=5)
        channel.call(UNARY)

    (method, peer, left, cancelled), (_, _, without, _) = seen
    assert method is UNARY
    assert peer.address == address
    assert peer.uid is not None
    assert 0 < left <= 5
    assert not cancelled
    assert without is None


@pytest.mark.parametrize("reply", [None, {"text": "a"}, Message(text="a")])
def test_a_handler_returns_a_message_a_mapping_or_nothing(
    flavour: Flavour, address: str, reply: Any
) -> None:
    handlers = Handlers(lambda request, context: reply)
    with (
        flavour.serving(address, {ECHO: handlers}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        assert channel.call(UNARY) == Message(text="a" if reply is not None else "")


def test_point_19_unknown_service_and_method_are_unimplemented(channel: Any) -> None:
    with pytest.raises(RpcError) as service:
        channel.call(ABSENT["Unary"])
    with pytest.raises(RpcError) as method:
        channel.call(ECHO["Other"])

    assert (service.value.code, service.value.message) == (12, "service test.v1.Absent")
    assert (method.value.code, method.value.message) == (12, "method Other")


def test_a_status_arrives_with_code_message_and_details(flavour: Flavour, address: str) -> None:
    details = [RawAny("test.v1.Message", Message(text="why").SerializeToString())]

    def unary(request: Any, context: Any) -> None:
        raise RpcError(Code.FAILED_PRECONDITION, "not now", details)

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
        pytest.raises(RpcError, match="FAILED_PRECONDITION: not now") as caught,
    ):
        channel.call(UNARY)

    assert caught.value.code is Code.FAILED_PRECONDITION
    assert caught.value.details == tuple(details)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("odd"), Code.UNKNOWN),
        (NotImplementedError("odd"), Code.UNIMPLEMENTED),
        (FileNotFoundError("odd"), Code.NOT_FOUND),
        (FileExistsError("odd"), Code.ALREADY_EXISTS),
        (PermissionError("odd"), Code.PERMISSION_DENIED),
        (TimeoutError("odd"), Code.DEADLINE_EXCEEDED),
        (SystemExit("odd"), Code.UNKNOWN),
        (KeyboardInterrupt("odd"), Code.UNKNOWN),
        (RpcError(Code.OK, "odd"), Code.UNKNOWN),
    ],
)
def test_point_20_an_exception_becomes_a_status_and_the_connection_lives(
    flavour: Flavour,
    address: str,
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
    code: Code,
) -> None:
    def unary(request: Any, context: Any) -> Any:
        if request.text == "fail":
            raise error
        return request

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(RpcError, match="odd") as caught:
            channel.call(UNARY, {"text": "fail"})
        assert channel.call(UNARY, {"text": "next"}).text == "next"

    assert caught.value.code is code
    assert "the handler of /test.v1.Echo/Unary failed" in caplog.text
    assert "Traceback" in caplog.text


def test_an_error_that_a_handler_means_is_not_logged(
    flavour: Flavour, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    def unary(request: Any, context: Any) -> None:
        raise RpcError(Code.NOT_FOUND, "no such container")

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
        pytest.raises(RpcError),
    ):
        channel.call(UNARY)

    assert caplog.text == ""


def test_a_reply_that_is_no_message_is_the_servers_fault(
    flavour: Flavour, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    handlers = Handlers(lambda request, context: {"no_such": 1})
    with (
        flavour.serving(address, {ECHO: handlers}) as (_, bound),
        flavour.connect(bound) as channel,
        pytest.raises(RpcError, match="no_such"),
    ):
        channel.call(UNARY)

    assert "failed" in caplog.text


def test_point_2_an_oversize_request_fails_here_and_the_channel_lives(channel: Any) -> None:
    with pytest.raises(RpcError, match="TTRPC allows 4194304") as caught:
        channel.call(UNARY, {"data": bytes(4 << 20)})

    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert channel.counters.frames_sent == 0
    assert channel.call(UNARY, {"text": "next"}).text == "next"


def test_point_21_an_oversize_reply_fails_that_call_and_the_connection_lives(
    flavour: Flavour, address: str
) -> None:
    def unary(request: Any, context: Any) -> Any:
        return {"data": bytes(request.number)}

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(RpcError) as caught:
            channel.call(UNARY, {"number": 4 << 20})
        assert len(channel.call(UNARY, {"number": 4_194_294}).data) == 4_194_294

    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_a_deadline_ends_the_call_and_the_channel_lives(flavour: Flavour, address: str) -> None:
    release = threading.Event()

    def unary(request: Any, context: Any) -> Any:
        if request.text == "slow":
            release.wait(10)
        return request

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(DeadlineExceeded):
            channel.call(UNARY, {"text": "slow"}, timeout=0.05)
        assert channel.call(UNARY, {"text": "next"}, timeout=5).text == "next"
        release.set()
        assert channel.call(UNARY, {"text": "last"}, timeout=5).text == "last"


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_deadline_that_has_passed_sends_nothing(channel: Any, timeout: float) -> None:
    with pytest.raises(DeadlineExceeded):
        channel.call(UNARY, timeout=timeout)
    assert channel.counters.frames_sent == 0


def test_point_24_a_deadline_reaches_the_handler(flavour: Flavour, address: str) -> None:
    flagged = threading.Event()

    def unary(request: Any, context: Any) -> None:
        while not context.cancelled:
            time.sleep(0.001)  # what a handler that works in steps does
        flagged.set()

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        with pytest.raises(DeadlineExceeded):
            channel.call(UNARY, timeout=0.05)
        assert flagged.wait(5)


def test_a_handler_that_blocks_delays_no_other_call(flavour: Flavour, address: str) -> None:
    release = threading.Event()

    def unary(request: Any, context: Any) -> Any:
        if request.text == "wait":
            release.wait(10)
        return request

    with (
        flavour.serving(address, {ECHO: Handlers(unary)}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        waits = [background(channel.call, UNARY, {"text": "wait"}) for _ in range(5)]
        for _ in range(20):
            assert channel.call(UNARY, {"text": "quick"}, timeout=5).text == "quick"
        assert not any(wait.done() for wait in waits)
        release.set()
        assert [wait.result(5).text for wait in waits] == ["wait"] * 5


def test_interceptors_wrap_the_call_in_order_on_both_sides(flavour: Flavour, address: str) -> None:
    order: list[str] = []

    def note(name: str) -> Any:
        def interceptor(call: Any, proceed: Any) -> Any:
            order.append(f"{name} {call.method.name} {call.metadata.get_all('k')}")
            reply = proceed(call.replace(metadata={"k": [*call.metadata.get_all("k"), name]}))
            order.append(f"{name} {reply.text}")
            return reply

        return interceptor

    handlers = Handlers(lambda request, context: {"text": ",".join(context.metadata.get_all("k"))})
    with (
        flavour.serving(address, {ECHO: handlers}, interceptors=[note("s")]) as (_, bound),
        flavour.connect(bound, interceptors=[note("a"), note("b")]) as channel,
    ):
        channel.call(UNARY)

    assert order[:3] == ["a Unary []", "b Unary ['a']", "s Unary ['a', 'b']"]
    assert order[3:] == ["s a,b,s", "b a,b,s", "a a,b,s"]


def test_an_implementation_without_any_of_the_methods_is_refused(
    flavour: Flavour, address: str
) -> None:
    with (
        pytest.raises(SchemaError, match="has none of the methods of test.v1.Echo: Unary, Other"),
        flavour.serving(address, {ECHO: object()}),
    ):
        pass
