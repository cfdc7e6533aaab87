"""A client's and a server's end, connected in memory: whatever they do, they agree."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.frames import DATA, REQUEST, RESPONSE, frame
from toolkit.errors import ProtocolError, RpcError
from toolkit.wire.client import ClientConnection
from toolkit.wire.events import EventType
from toolkit.wire.frame import FrameReader
from toolkit.wire.server import ServerConnection
from toolkit.wire.stream import Side

KINDS = [(False, False), (True, False), (False, True), (True, True)]
bodies = st.sampled_from([b"", b"a", b"some bytes"])
chunk = st.integers(1, 40)


class Call:
    """What was done on one stream, from outside."""

    def __init__(self, stream: Any, *, sends: bool, receives: bool) -> None:
        self.stream = stream
        self.sends = sends
        self.receives = receives
        self.server: Any = None
        self.client_sent: list[bytes] = []
        self.client_got: list[bytes] = []
        self.server_sent: list[bytes] = []
        self.server_got: list[bytes] = []
        self.server_saw_end = False
        self.end: Any = None
        self.answer: Any = None
        self.cancelled = False


class Ends(RuleBasedStateMachine):
    """Legal moves of both ends, with the bytes in between delivered in pieces of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.client = ClientConnection()
        self.server = ServerConnection()
        self.calls: dict[int, Call] = {}

    def pick(self, data: st.DataObject, condition: Any) -> Call:
        return data.draw(st.sampled_from([each for each in self.calls.values() if condition(each)]))

    def any_call(self, condition: Any) -> bool:
        return any(condition(call) for call in self.calls.values())

    @staticmethod
    def client_may_send(call: Call) -> bool:
        return call.stream.local is Side.OPEN and not call.stream.finished

    @staticmethod
    def server_may_send(call: Call) -> bool:
        return call.server is not None and call.receives and not call.server.finished

    @staticmethod
    def server_may_respond(call: Call) -> bool:
        return call.server is not None and not call.server.finished

    @rule(kind=st.sampled_from(KINDS), body=bodies)
    def open(self, kind: tuple[bool, bool], body: bytes) -> None:
        stream = self.client.open(body, sends=kind[0], receives=kind[1])
        self.calls[stream.id] = Call(stream, sends=kind[0], receives=kind[1])

    @precondition(lambda self: self.any_call(self.client_may_send))
    @rule(data=st.data(), body=bodies)
    def client_sends(self, data: st.DataObject, body: bytes) -> None:
        call = self.pick(data, self.client_may_send)
        self.client.send(call.stream, body)
        call.client_sent.append(body)

    @precondition(lambda self: self.any_call(self.client_may_send))
    @rule(data=st.data())
    def client_closes(self, data: st.DataObject) -> None:
        self.client.close_send(self.pick(data, self.client_may_send).stream)

    @precondition(lambda self: self.any_call(lambda call: not call.stream.finished))
    @rule(data=st.data())
    def client_cancels(self, data: st.DataObject) -> None:
        call = self.pick(data, lambda call: not call.stream.finished)
        self.client.cancel(call.stream)
        call.cancelled = True

    @precondition(lambda self: self.any_call(self.server_may_send))
    @rule(data=st.data(), body=bodies)
    def server_sends(self, data: st.DataObject, body: bytes) -> None:
        call = self.pick(data, self.server_may_send)
        self.server.send(call.server, body)
        call.server_sent.append(body)

    @precondition(lambda self: self.any_call(self.server_may_send))
    @rule(data=st.data())
    def server_ends(self, data: st.DataObject) -> None:
        call = self.pick(data, self.server_may_send)
        self.server.end(call.server)
        call.answer = "closed"

    @precondition(lambda self: self.any_call(self.server_may_respond))
    @rule(data=st.data(), body=bodies)
    def server_responds(self, data: st.DataObject, body: bytes) -> None:
        call = self.pick(data, self.server_may_respond)
        self.server.respond(call.server, body)
        call.answer = body

    @rule(size=chunk)
    def to_server(self, size: int) -> None:
        piece = bytes(self.client.outbox.chunk()[:size])
        self.client.outbox.sent(len(piece))
        for event, stream, body in self.server.receive(piece):
            call = self.calls[stream.id]
            assert event is not EventType.FAILED, body
            if event is EventType.REQUEST:
                call.server = stream
                self.server.accept(stream, sends=call.receives, receives=call.sends)
            elif event is EventType.MESSAGE:
                assert not call.server_saw_end
                call.server_got.append(body)  # type: ignore[arg-type]  # a message is bytes
            else:
                call.server_saw_end = True

    @rule(size=chunk)
    def to_client(self, size: int) -> None:
        piece = bytes(self.server.outbox.chunk()[:size])
        self.server.outbox.sent(len(piece))
        for event, stream, body in self.client.receive(piece):
            call = self.calls[stream.id]
            assert not call.cancelled
            assert call.end is None
            assert event is not EventType.FAILED, body
            if event is EventType.MESSAGE:
                call.client_got.append(body)  # type: ignore[arg-type]  # a message is bytes
            else:
                call.end = body if event is EventType.RESPONSE else "closed"

    @invariant()
    def messages_arrive_once_in_order_and_whole(self) -> None:
        for call in self.calls.values():
            assert call.server_got == call.client_sent[: len(call.server_got)]
            assert call.client_got == call.server_sent[: len(call.client_got)]
            if call.end is not None:
                assert call.end == call.answer
                assert call.client_got == call.server_sent

    def teardown(self) -> None:
        while self.client.outbox.size or self.server.outbox.size:
            self.to_server(1 << 20)
            self.to_client(1 << 20)
        assert set(self.client.streams) == {
            number
            for number, call in self.calls.items()
            if call.answer is None and not call.cancelled
        }
        for call in self.calls.values():
            if call.answer is None and not call.cancelled:
                assert call.server_got == call.client_sent


TestEnds = Ends.TestCase
TestEnds.settings = settings(stateful_step_count=40, deadline=None)

hostile = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 + 1, 2**32 - 1]),
        st.sampled_from([0, REQUEST, RESPONSE, DATA, 4, 255]),
        st.integers(0, 255),
        st.binary(max_size=12),
    ),
    max_size=12,
)


@given(hostile, st.booleans(), st.booleans())
def test_point_33_hostile_frames_raise_nothing_but_protocol_errors_on_a_server(
    frames: list[tuple[int, int, int, bytes]], sends: bool, receives: bool
) -> None:
    server = ServerConnection(max_data=8)
    terminal: dict[int, int] = {}
    try:
        for event, stream, body in server.receive(b"".join(frame(*each) for each in frames)):
            if event is EventType.REQUEST:
                server.accept(stream, sends=sends, receives=receives)
            elif event is EventType.FAILED:
                assert isinstance(body, RpcError)
                server.respond(stream, b"no")
    except ProtocolError:
        pass
    for stream_id, message_type, flags, _, _ in FrameReader().receive(bytes(server.outbox.chunk())):
        assert (message_type, flags) == (RESPONSE, 0)
        terminal[stream_id] = terminal.get(stream_id, 0) + 1
    for stream_id, count in terminal.items():
        types = [each[1] for each in frames if each[0] == stream_id]
        if stream_id % 2:
            # A stream ends once. A new Request on its id is told so, as is data before the first.
            first = types.index(REQUEST) if REQUEST in types else len(types)
            assert count <= types.count(REQUEST) + types[:first].count(DATA)


@given(hostile)
def test_point_33_hostile_frames_raise_nothing_but_protocol_errors_on_a_client(
    frames: list[tuple[int, int, int, bytes]],
) -> None:
    client = ClientConnection(max_data=8)
    for kind in KINDS:
        client.open(b"q", sends=kind[0], receives=kind[1])
    ended: set[int] = set()
    try:
        for event, stream, _ in client.receive(b"".join(frame(*each) for each in frames)):
            assert stream.id not in ended
            if event is not EventType.MESSAGE:
                ended.add(stream.id)
    except ProtocolError:
        pass
    assert ended.isdisjoint(client.streams)
