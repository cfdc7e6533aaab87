"""The client's end: what it sends for each kind of call, and what it makes of any answer."""

from __future__ import annotations

import pytest

from tests.support.frames import DATA, REQUEST, RESPONSE, chunked, frame, plain, sent
from toolkit.errors import LocalProtocolError, RemoteProtocolError, RpcError
from toolkit.status import Code
from toolkit.wire.client import ClientConnection
from toolkit.wire.events import EventType


def receive(client: ClientConnection, data: bytes) -> list[tuple[str, int, object]]:
    return [plain(event) for event in client.receive(data)]


def test_point_8_unary_request_has_flags_0() -> None:
    client = ClientConnection()
    client.open(b"q")
    assert sent(client) == [(1, REQUEST, 0x00, b"q")]


def test_point_8_server_streaming_request_has_flags_1() -> None:
    client = ClientConnection()
    client.open(b"q", receives=True)
    assert sent(client) == [(1, REQUEST, 0x01, b"q")]


@pytest.mark.parametrize("receives", [False, True])
def test_point_8_client_streaming_and_bidi_send_6_then_data_then_5(receives: bool) -> None:
    client = ClientConnection()
    stream = client.open(b"q", sends=True, receives=receives)
    client.send(stream, b"m")
    client.send(stream, b"")
    client.close_send(stream)
    client.close_send(stream)
    assert sent(client) == [
        (1, REQUEST, 0x06, b"q"),
        (1, DATA, 0x00, b"m"),
        (1, DATA, 0x00, b""),
        (1, DATA, 0x05, b""),
    ]


def test_point_9_ids_are_odd_and_increase() -> None:
    client = ClientConnection()
    for _ in range(3):
        client.open(b"")
    assert [each[0] for each in sent(client)] == [1, 3, 5]


def test_point_9_ids_are_never_used_twice() -> None:
    client = ClientConnection()
    client._next_id = (1 << 32) - 1
    client.open(b"")
    with pytest.raises(LocalProtocolError, match="reconnect"):
        client.open(b"")


def test_an_oversize_request_is_refused_before_it_costs_an_id() -> None:
    client = ClientConnection(max_data=10)
    with pytest.raises(RpcError, match="11 bytes; TTRPC allows 10") as caught:
        client.open(b"x" * 11)
    client.open(b"x" * 10)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert [each[0] for each in sent(client)] == [1]


def test_an_oversize_message_leaves_the_stream_usable() -> None:
    client = ClientConnection(max_data=10)
    stream = client.open(b"", sends=True)
    with pytest.raises(RpcError):
        client.send(stream, b"x" * 11)
    client.send(stream, b"x" * 10)
    assert [each[3] for each in sent(client)] == [b"", b"x" * 10]


def test_replies_come_in_any_order() -> None:
    client = ClientConnection()
    for _ in range(2):
        client.open(b"")
    events = receive(client, frame(3, RESPONSE, 0, b"b") + frame(1, RESPONSE, 0, b"a"))
    assert events == [("RESPONSE", 3, b"b"), ("RESPONSE", 1, b"a")]
    assert client.streams == {}


def test_flags_of_a_response_are_ignored() -> None:
    client = ClientConnection()
    client.open(b"")
    assert receive(client, frame(1, RESPONSE, 0xFF, b"a")) == [("RESPONSE", 1, b"a")]


@pytest.mark.parametrize(
    ("flags", "data", "events"),
    [
        (0x00, b"m", [("MESSAGE", 1, b"m")]),
        (0x00, b"", [("MESSAGE", 1, b"")]),
        (0x01, b"m", [("MESSAGE", 1, b"m"), ("CLOSED", 1, None)]),
        (0x01, b"", [("MESSAGE", 1, b""), ("CLOSED", 1, None)]),
        (0x04, b"", []),
        (0x04, b"x", []),
        (0x05, b"", [("CLOSED", 1, None)]),
        (0x05, b"x", [("CLOSED", 1, None)]),
    ],
)
def test_what_a_data_frame_means(flags: int, data: bytes, events: list[object]) -> None:
    client = ClientConnection()
    client.open(b"", receives=True)
    assert receive(client, frame(1, DATA, flags, data)) == events


def test_data_for_a_method_that_answers_once_fails_only_that_call() -> None:
    client = ClientConnection()
    client.open(b"")
    client.open(b"")
    [(kind, stream, error)] = client.receive(frame(1, DATA, 0, b"m"))
    assert kind is EventType.FAILED
    assert stream.id == 1
    assert isinstance(error, RemoteProtocolError)
    assert receive(client, frame(3, RESPONSE)) == [("RESPONSE", 3, b"")]


def test_an_oversize_reply_fails_only_that_call() -> None:
    client = ClientConnection(max_data=10)
    client.open(b"")
    client.open(b"")
    whole = frame(1, RESPONSE, 0, b"x" * 11) + frame(3, RESPONSE, 0, b"ok")
    events = [event for chunk in chunked(whole, 4) for event in receive(client, chunk)]
    assert events == [
        ("FAILED", 1, "RESOURCE_EXHAUSTED: message of 11 bytes; TTRPC allows 10"),
        ("RESPONSE", 3, b"ok"),
    ]


def test_a_request_from_the_server_fails_only_that_call() -> None:
    client = ClientConnection()
    client.open(b"")
    assert receive(client, frame(1, REQUEST)) == [
        ("FAILED", 1, "stream 1: the server sent a Request")
    ]


def test_an_unknown_type_is_ignored_and_counted() -> None:
    client = ClientConnection()
    client.open(b"")
    assert receive(client, frame(1, 9)) == []
    assert client.counters.stray_frames == 1
    assert list(client.streams) == [1]


@pytest.mark.parametrize("stream_id", [0, 2, 4, 99])
def test_frames_on_ids_that_were_never_used_are_counted_as_stray(stream_id: int) -> None:
    client = ClientConnection()
    client.open(b"")
    assert receive(client, frame(stream_id, RESPONSE)) == []
    assert (client.counters.stray_frames, client.counters.late_frames) == (1, 0)


def test_a_late_reply_is_dropped_and_counted() -> None:
    client = ClientConnection()
    stream = client.open(b"")
    client.cancel(stream)
    client.cancel(stream)
    assert receive(client, frame(1, RESPONSE)) == []
    assert (client.counters.stray_frames, client.counters.late_frames) == (0, 1)


def test_a_request_that_is_cancelled_before_it_is_written_never_is() -> None:
    client = ClientConnection()
    client.cancel(client.open(b"first"))
    client.open(b"second")
    assert sent(client) == [(3, REQUEST, 0, b"second")]


@pytest.mark.parametrize(
    "last", [frame(1, RESPONSE, 0, b""), frame(1, DATA, 0x05), frame(1, DATA, 0x01, b"m")]
)
def test_point_17_nothing_is_sent_after_the_server_has_ended_the_stream(last: bytes) -> None:
    client = ClientConnection()
    stream = client.open(b"", sends=True, receives=True)
    list(client.receive(last))
    sent(client)
    with pytest.raises(LocalProtocolError, match="is over"):
        client.send(stream, b"late")
    client.close_send(stream)
    assert sent(client) == []


def test_no_message_after_close_send() -> None:
    client = ClientConnection()
    stream = client.open(b"", sends=True)
    client.close_send(stream)
    with pytest.raises(LocalProtocolError, match="closed for messages"):
        client.send(stream, b"m")


def test_no_message_on_a_unary_call() -> None:
    client = ClientConnection()
    stream = client.open(b"")
    with pytest.raises(LocalProtocolError, match="closed for messages"):
        client.send(stream, b"m")


def test_point_35_trace_and_counters_see_every_frame() -> None:
    seen: list[tuple[str, int, int, int, int]] = []
    client = ClientConnection(trace=lambda *each: seen.append(each))
    client.open(b"abc")
    list(client.receive(frame(1, RESPONSE, 0, b"de")))
    assert seen == [("sent", 1, REQUEST, 0, 3), ("received", 1, RESPONSE, 0, 2)]
    counters = client.counters
    assert (counters.frames_sent, counters.bytes_sent) == (1, 13)
    assert (counters.frames_received, counters.bytes_received) == (1, 12)
    assert "frames_sent=1" in repr(counters)


def test_a_stream_says_what_it_is_in_its_repr() -> None:
    client = ClientConnection()
    stream = client.open(b"", sends=True)
    assert repr(stream) == "<Stream 1 open/closed>"
    client.cancel(stream)
    assert repr(stream) == "<Stream 1 finished>"


def test_trace_sees_frames_that_come_in_pieces_too() -> None:
    seen: list[int] = []
    client = ClientConnection(trace=lambda *each: seen.append(each[1]))
    client.open(b"")
    client.open(b"")
    list(client.receive(frame(1, RESPONSE) + frame(3, RESPONSE)[:5]))
    assert client.in_frame
    list(client.receive(frame(3, RESPONSE)[5:]))
    assert seen == [1, 3, 1, 3]
    assert not client.in_frame


def test_a_long_request_goes_out_whole() -> None:
    client = ClientConnection()
    client.open(bytes(2 << 20))
    assert [len(each[3] or b"") for each in sent(client)] == [2 << 20]
