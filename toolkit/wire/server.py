"""The server's end of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import RpcError
from toolkit.status import Code
from toolkit.wire.connection import Connection
from toolkit.wire.events import EventType
from toolkit.wire.frame import CLOSE, DATA, MAX_DATA, REMOTE_CLOSED, REQUEST, RESPONSE
from toolkit.wire.stream import Input, Side, Stream, input_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.wire.connection import Trace
    from toolkit.wire.events import Event

__all__ = ["MAX_STREAMS", "ServerConnection", "ServerStream"]

# An enum's member costs as much to look up as a small frame to cut.
_CLOSED = Side.CLOSED
_REQUEST, _MESSAGE, _INPUT = EventType.REQUEST, EventType.MESSAGE, Input.MESSAGE

MAX_STREAMS = 4096  # calls open at once on one connection; containerd keeps one Wait per process

# Rust's async client takes an id before it queues the frame, so concurrent calls put 33 before
# 31 on the wire. Ids that were jumped over stay good; this many of them are remembered.
_MAX_SKIPPED = 1024


class ServerStream(Stream):
    """A stream that a client has opened.

    Attributes:
        flags: those of the Request.
        call: whatever the layer above keeps with the stream.
    """

    __slots__ = ("call", "flags")

    def __init__(self, stream_id: int, flags: int = 0) -> None:
        self.id = stream_id  # as Stream does; calling that costs as much again
        self.local = self.remote = _CLOSED
        self.finished = False
        self.flags = flags
        self.call: Any = None


class ServerConnection(Connection):
    """Takes Requests, keeps the rules for what may be answered on each stream."""

    __slots__ = ("_highest", "_max_streams", "_skipped")

    def __init__(
        self,
        *,
        max_data: int = MAX_DATA,
        max_streams: int = MAX_STREAMS,
        trace: Trace | None = None,
    ) -> None:
        super().__init__(max_data=max_data, trace=trace)
        self._max_streams = max_streams
        self._highest = -1
        self._skipped: dict[int, None] = {}  # in order, the oldest first

    def accept(self, stream: ServerStream, *, sends: bool = False, receives: bool = False) -> None:
        """Say of which kind the call is: the method decides, not the Request's flags.

        ``sends``: the answer is a stream of messages. ``receives``: so is what the client sends.
        """
        if sends:
            stream.local = Side.OPEN
        if receives and not stream.flags & REMOTE_CLOSED:
            stream.remote = Side.OPEN

    def respond(self, stream: ServerStream, response: bytes) -> None:
        """End a stream with a Response.

        Raises:
            RpcError: RESOURCE_EXHAUSTED; the stream is not over, another Response may be sent.
        """
        if len(response) > self.max_data:
            raise self._oversize(len(response))
        if not stream.finished:
            self.finish(stream)
            self._put(stream.id, RESPONSE, 0, response)

    def send(self, stream: ServerStream, data: bytes) -> None:
        """Queue one message.

        Raises:
            LocalProtocolError: the stream is over, or the method answers once.
            RpcError: RESOURCE_EXHAUSTED; the stream stays as it is.
        """
        self.check_size(data)
        stream.send(_INPUT)
        self._put(stream.id, DATA, 0, data)

    def end(self, stream: ServerStream) -> None:
        """End a stream of messages with success.

        Never by a Response: Go's client takes that for one more message.
        """
        if not stream.finished:
            stream.send(Input.END)
            self.finish(stream)
            self._put(stream.id, DATA, CLOSE, b"")

    def receive(self, data: bytes) -> Iterable[Event]:
        """The events in these bytes; run it to its end.

        Raises:
            RemoteProtocolError: in the end; the connection is of no further use.
        """
        frame = self.reader.whole(data)
        if frame is not None and frame[1] == REQUEST:
            stream_id, message_type, flags, body, length = frame
            self.counters.bytes_received += len(data)
            self.counters.frames_received += 1
            if self._trace is not None:
                self._trace("received", stream_id, message_type, flags, length)
            event = self._request(stream_id, flags, body, length)
            return () if event is None else (event,)
        return self._receive(data)

    def _receive(self, data: bytes) -> Iterator[Event]:
        counters, trace = self.counters, self._trace
        counters.bytes_received += len(data)
        for stream_id, message_type, flags, body, length in self.reader.receive(data):
            counters.frames_received += 1
            if trace is not None:
                trace("received", stream_id, message_type, flags, length)
            if message_type == REQUEST:
                event = self._request(stream_id, flags, body, length)
                if event is not None:
                    yield event
            elif message_type == DATA:
                yield from self._data(stream_id, flags, body, length)
            elif stream_id % 2 == 0:
                yield self._refuse(ServerStream(stream_id), "stream ids of a client are odd")
            else:
                # Responses to a server, and types that we do not know, have no one to answer.
                counters.stray_frames += 1

    def _request(self, stream_id: int, flags: int, body: bytes | None, length: int) -> Event | None:
        if stream_id % 2 == 0:
            return self._refuse(ServerStream(stream_id), "stream ids of a client are odd")
        if stream_id in self.streams:
            # An answer on this id would end the call that is live on it.
            self.counters.stray_frames += 1
            return None
        stream = ServerStream(stream_id, flags)
        if not self._use(stream_id):
            return self._refuse(stream, f"stream id {stream_id} was used before")
        if body is None:
            return EventType.FAILED, stream, self._oversize(length)
        if len(self.streams) >= self._max_streams:
            return EventType.FAILED, stream, self._busy()
        self.streams[stream_id] = stream
        return _REQUEST, stream, body

    def _data(self, stream_id: int, flags: int, body: bytes | None, length: int) -> Iterator[Event]:
        stream = self.streams.get(stream_id)
        if stream is None:
            yield from self._unknown(stream_id)
        elif body is None:
            yield EventType.FAILED, stream, self._oversize(length)
        else:
            events = stream.receive(input_of(flags))
            if events is None:
                # For a unary call, or after the client said that it was done. Go's server dies.
                yield self._refuse(stream, f"stream {stream_id} takes no more data")
                return
            for event in events:
                yield event, stream, (body if event is _MESSAGE else None)

    def _unknown(self, stream_id: int) -> Iterator[Event]:
        if stream_id % 2 == 0:
            yield self._refuse(ServerStream(stream_id), "stream ids of a client are odd")
        elif self._is_new(stream_id):
            yield self._refuse(ServerStream(stream_id), f"stream {stream_id} was never opened")
        else:
            # The client could not know yet that the call is over; its end is already on the way.
            self.counters.late_frames += 1

    def _is_new(self, stream_id: int) -> bool:
        return stream_id > self._highest or stream_id in self._skipped

    def _use(self, stream_id: int) -> bool:
        """Mark an id as used; False when it was already."""
        if stream_id > self._highest:
            if stream_id > self._highest + 2:
                self._skip(stream_id)
            self._highest = stream_id
            return True
        if stream_id in self._skipped:
            del self._skipped[stream_id]
            return True
        return False

    def _skip(self, stream_id: int) -> None:
        first = max(self._highest + 2, stream_id - 2 * _MAX_SKIPPED)
        for skipped in range(first, stream_id, 2):
            self._skipped[skipped] = None
        while len(self._skipped) > _MAX_SKIPPED:
            del self._skipped[next(iter(self._skipped))]

    def _refuse(self, stream: ServerStream, reason: str) -> Event:
        return EventType.FAILED, stream, RpcError(Code.INVALID_ARGUMENT, reason)

    def _busy(self) -> RpcError:
        return RpcError(
            Code.RESOURCE_EXHAUSTED, f"{self._max_streams} calls are open on this connection"
        )
