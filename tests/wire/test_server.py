"""The server's end: every input that a client can send has one defined answer."""

from __future__ import annotations

import pytest

from tests.support.frames import DATA, REQUEST, RESPONSE, frame, plain, sent
from toolkit.errors import LocalProtocolError, RpcError
from toolkit.wire.events import EventType
from toolkit.wire.server import ServerConnection


def receive(server: ServerConnection, data: bytes, **kind: bool) -> list[tuple[str, int, object]]:
    """The events; Requests are accepted as calls of this kind."""
    events = []
    for event in server.receive(data):
        if event[0] is EventType.REQUEST:
            server.accept(event[1], **kind)
        events.append(plain(event))
    return events


def open_call(**kind: bool) -> ServerConnection:
    server = ServerConnection()
    receive(server, frame(1, REQUEST, 0x02 if kind.get("receives") else 0), **kind)
    return server


@pytest.mark.parametrize("flags", [0x00, 0x01, 0x02, 0x06, 0xFF])
def test_flags_of_a_unary_request_do_not_matter(flags: int) -> None:
    server = ServerConnection()
    assert receive(server, frame(1, REQUEST, flags, b"q")) == [("REQUEST", 1, b"q")]


def test_a_response_ends_the_stream_and_a_second_one_is_dropped() -> None:
    server = open_call()
    stream = server.streams[1]
    server.respond(stream, b"first")
    server.respond(stream, b"second")
    assert sent(server) == [(1, RESPONSE, 0, b"first")]
    assert server.streams == {}


def test_point_8_a_stream_of_messages_ends_with_5_and_nothing_follows() -> None:
    server = open_call(sends=True)
    stream = server.streams[1]
    server.send(stream, b"m")
    server.end(stream)
    server.end(stream)
    server.respond(stream, b"late")
    with pytest.raises(LocalProtocolError):
        server.send(stream, b"late")
    assert sent(server) == [(1, DATA, 0, b"m"), (1, DATA, 0x05, b"")]


def test_a_unary_call_cannot_be_answered_with_data() -> None:
    server = open_call()
    with pytest.raises(LocalProtocolError):
        server.send(server.streams[1], b"m")


@pytest.mark.parametrize("message_type", [REQUEST, RESPONSE, DATA, 9])
@pytest.mark.parametrize("stream_id", [0, 2])
def test_even_ids_are_refused_whatever_the_type(stream_id: int, message_type: int) -> None:
    server = ServerConnection()
    [(kind, answered, error)] = receive(server, frame(stream_id, message_type))
    assert (kind, answered) == ("FAILED", stream_id)
    assert error == "INVALID_ARGUMENT: stream ids of a client are odd"


def test_a_reused_id_is_refused() -> None:
    server = open_call()
    server.respond(server.streams[1], b"")
    assert receive(server, frame(1, REQUEST)) == [
        ("FAILED", 1, "INVALID_ARGUMENT: stream id 1 was used before")
    ]


def test_a_request_on_a_live_id_leaves_the_live_call_alone() -> None:
    server = open_call()
    assert receive(server, frame(1, REQUEST)) == []
    assert list(server.streams) == [1]
    assert server.counters.stray_frames == 1


def test_an_id_below_the_highest_is_good_as_long_as_it_was_never_used() -> None:
    server = ServerConnection()
    whole = frame(5, REQUEST) + frame(1, REQUEST) + frame(3, REQUEST) + frame(7, REQUEST)
    assert [event[:2] for event in receive(server, whole)] == [
        ("REQUEST", 5),
        ("REQUEST", 1),
        ("REQUEST", 3),
        ("REQUEST", 7),
    ]


def test_skipped_ids_are_remembered_in_bounded_memory() -> None:
    server = ServerConnection()
    receive(server, frame(2**32 - 1, REQUEST) + frame(2**32 - 3, REQUEST))
    assert len(server._skipped) == 1023
    assert receive(server, frame(1, REQUEST))[0][0] == "FAILED"


@pytest.mark.parametrize("message_type", [RESPONSE, 0, 9, 255])
def test_types_that_a_server_has_no_use_for_are_ignored(message_type: int) -> None:
    server = open_call()
    assert receive(server, frame(1, message_type) + frame(3, message_type)) == []
    assert list(server.streams) == [1]


def test_data_for_a_live_unary_call_fails_that_call() -> None:
    server = open_call()
    assert receive(server, frame(1, DATA, 0, b"m")) == [
        ("FAILED", 1, "INVALID_ARGUMENT: stream 1 takes no more data")
    ]


def test_data_on_an_id_that_was_never_opened_is_refused() -> None:
    assert receive(ServerConnection(), frame(1, DATA)) == [
        ("FAILED", 1, "INVALID_ARGUMENT: stream 1 was never opened")
    ]


def test_data_for_a_call_that_is_over_is_dropped_and_counted() -> None:
    server = open_call(receives=True)
    server.respond(server.streams[1], b"")
    assert receive(server, frame(1, DATA, 0, b"late")) == []
    assert server.counters.late_frames == 1


@pytest.mark.parametrize(
    ("flags", "data", "events"),
    [
        (0x00, b"m", [("MESSAGE", 1, b"m")]),
        (0x00, b"", [("MESSAGE", 1, b"")]),
        (0x01, b"m", [("MESSAGE", 1, b"m"), ("CLOSED", 1, None)]),
        (0x01, b"", [("MESSAGE", 1, b""), ("CLOSED", 1, None)]),
        (0x04, b"x", []),
        (0x05, b"x", [("CLOSED", 1, None)]),
    ],
)
def test_what_a_data_frame_means(flags: int, data: bytes, events: list[object]) -> None:
    assert receive(open_call(receives=True), frame(1, DATA, flags, data)) == events


def test_data_after_the_clients_end_fails_the_call() -> None:
    server = open_call(receives=True)
    assert receive(server, frame(1, DATA, 0x05) + frame(1, DATA, 0, b"m")) == [
        ("CLOSED", 1, None),
        ("FAILED", 1, "INVALID_ARGUMENT: stream 1 takes no more data"),
    ]


def test_an_oversize_request_is_answered_on_its_id() -> None:
    server = ServerConnection(max_data=10)
    events = receive(server, frame(1, REQUEST, 0, b"x" * 11) + frame(3, REQUEST, 0, b"ok"))
    assert events == [
        ("FAILED", 1, "RESOURCE_EXHAUSTED: message of 11 bytes; TTRPC allows 10"),
        ("REQUEST", 3, b"ok"),
    ]


def test_oversize_data_fails_its_call() -> None:
    server = ServerConnection(max_data=10)
    receive(server, frame(1, REQUEST, 0x06), receives=True)
    assert receive(server, frame(1, DATA, 0, b"x" * 11))[0][0] == "FAILED"


def test_an_oversize_response_is_refused_and_another_one_may_follow() -> None:
    server = ServerConnection(max_data=10)
    receive(server, frame(1, REQUEST))
    stream = server.streams[1]
    with pytest.raises(RpcError, match="11 bytes"):
        server.respond(stream, b"x" * 11)
    server.respond(stream, b"short")
    assert sent(server) == [(1, RESPONSE, 0, b"short")]


def test_more_calls_than_allowed_are_refused_one_by_one() -> None:
    server = ServerConnection(max_streams=2)
    whole = b"".join(frame(stream_id, REQUEST) for stream_id in (1, 3, 5))
    assert [event[0] for event in receive(server, whole)] == ["REQUEST", "REQUEST", "FAILED"]


def test_request_with_remote_closed_to_a_method_that_receives_takes_no_data() -> None:
    server = ServerConnection()
    receive(server, frame(1, REQUEST, 0x01), receives=True)
    assert receive(server, frame(1, DATA, 0, b"m"))[0][0] == "FAILED"


def test_point_35_trace_sees_every_frame() -> None:
    seen: list[tuple[str, int]] = []
    server = ServerConnection(trace=lambda *each: seen.append(each[:2]))
    receive(server, frame(1, REQUEST))
    receive(server, frame(3, REQUEST) + frame(5, REQUEST))
    server.respond(server.streams[1], b"")
    assert seen == [("received", 1), ("received", 3), ("received", 5), ("sent", 1)]


def test_a_message_of_a_stream_that_is_too_long_leaves_the_stream_open() -> None:
    server = ServerConnection(max_data=10)
    receive(server, frame(1, REQUEST), sends=True)
    with pytest.raises(RpcError, match="11 bytes"):
        server.send(server.streams[1], b"x" * 11)
    server.end(server.streams[1])
    assert sent(server) == [(1, DATA, 5, b"")]


def test_of_many_skipped_ids_the_latest_are_remembered() -> None:
    server = ServerConnection()
    receive(server, frame(10_001, REQUEST) + frame(20_001, REQUEST))
    assert len(server._skipped) == 1024
    assert receive(server, frame(19_999, REQUEST))[0][0] == "REQUEST"
    assert receive(server, frame(9_999, REQUEST))[0][0] == "FAILED"
