"""The client's end of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.connection import Connection
from toolkit.wire.events import EventType
from toolkit.wire.frame import (
    CLOSE,
    DATA,
    MAX_DATA,
    NO_DATA,
    REMOTE_CLOSED,
    REMOTE_OPEN,
    REQUEST,
    RESPONSE,
)
from toolkit.wire.stream import Input, Side, Stream, input_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.wire.connection import Trace
    from toolkit.wire.events import Event

__all__ = ["ClientConnection"]

# An enum's member costs as much to look up as a small frame to cut.
_RESPONSE, _FAILED, _CLOSED = EventType.RESPONSE, EventType.FAILED, EventType.CLOSED
_MESSAGE = Input.MESSAGE

_LAST_ID = (1 << 32) - 1  # ids are 32 bits; Go's client wraps to 1 and its server then refuses all


class ClientConnection(Connection):
    """Opens streams and sorts what comes back.

    ``open`` gives ids in the order in which the frames go out, so the caller must hold one lock
    from ``open`` to the end of the write, or leave the writing to whoever drains the outbox.

    Args:
        max_data: bytes that one frame may carry.
        trace: called for every frame.
        stream_class: of the streams; the layer above keeps what it knows of a call in them.
    """

    __slots__ = ("_next_id", "_stream_class")

    def __init__(
        self,
        *,
        max_data: int = MAX_DATA,
        trace: Trace | None = None,
        stream_class: Callable[[int], Stream] = Stream,
    ) -> None:
        super().__init__(max_data=max_data, trace=trace)
        self._next_id = 1
        self._stream_class = stream_class

    def open(self, request: bytes, *, sends: bool = False, receives: bool = False) -> Any:
        """Start a call: its Request is in the outbox, its stream in ``streams``.

        ``sends``: messages follow from here. ``receives``: messages come back, not one reply.

        Raises:
            RpcError: RESOURCE_EXHAUSTED; no id is used up and nothing is sent.
            LocalProtocolError: the ids of this connection are used up.
        """
        if len(request) > self.max_data:
            raise self._oversize(len(request))
        stream_id = self._next_id
        if stream_id > _LAST_ID:
            raise LocalProtocolError("all 2^31 stream ids of this connection are used: reconnect")
        self._next_id = stream_id + 2
        stream = self._stream_class(stream_id)
        flags = 0
        if sends:
            # 0x06, not Go's 0x02: Rust's server takes the empty payload for a message without it.
            flags = REMOTE_OPEN | NO_DATA
            stream.local = Side.OPEN
        elif receives:
            flags = REMOTE_CLOSED
        if receives:
            stream.remote = Side.OPEN
        self.streams[stream_id] = stream
        self._put(stream_id, REQUEST, flags, request)
        return stream

    def send(self, stream: Stream, data: bytes) -> None:
        """Queue one message.

        Raises:
            LocalProtocolError: this side of the stream is closed, or the server has ended it.
                Servers of Go ttrpc 1.2.0 to 1.2.7 die of data on a stream that is over.
            RpcError: RESOURCE_EXHAUSTED; the stream stays as it is.
        """
        self.check_size(data)
        stream.send(_MESSAGE)
        self._put(stream.id, DATA, 0, data)

    def close_send(self, stream: Stream) -> None:
        """Say that no more messages follow; twice, or after the end, is fine."""
        if stream.finished or stream.local is Side.CLOSED:
            return
        stream.send(Input.END)
        self._put(stream.id, DATA, CLOSE, b"")

    def cancel(self, stream: Stream) -> None:
        """Forget a call on this side. TTRPC has no frame that would tell the server."""
        if not stream.finished:
            self.finish(stream)
            self.outbox.drop(stream.id)

    def receive(self, data: bytes) -> Iterable[Event]:
        """The events in these bytes; run it to its end.

        Raises:
            RemoteProtocolError: in the end; the connection is of no further use.
        """
        frame = self.reader.whole(data)
        if frame is not None and frame[1] == RESPONSE and frame[0] in self.streams:
            stream_id, message_type, flags, body, length = frame
            self.counters.bytes_received += len(data)
            self.counters.frames_received += 1
            if self._trace is not None:
                self._trace("received", stream_id, message_type, flags, length)
            stream = self.streams.pop(stream_id)
            stream.finished = True
            return ((_RESPONSE, stream, body),)
        return self._receive(data)

    def _receive(self, data: bytes) -> Iterator[Event]:
        counters, streams, trace = self.counters, self.streams, self._trace
        counters.bytes_received += len(data)
        for stream_id, message_type, flags, body, length in self.reader.receive(data):
            counters.frames_received += 1
            if trace is not None:
                trace("received", stream_id, message_type, flags, length)
            stream = streams.get(stream_id)
            if stream is None:
                self._count_unknown(stream_id)
            elif body is None:
                self.finish(stream)
                yield _FAILED, stream, self._oversize(length)
            elif message_type == RESPONSE:
                stream.finished = True
                del streams[stream_id]
                yield _RESPONSE, stream, body
            elif message_type == DATA:
                yield from self._data(stream, flags, body)
            elif message_type == REQUEST:
                yield self._fail(stream, "the server sent a Request")
            else:
                # A type of a later protocol; whatever it says, the reply may still come.
                counters.stray_frames += 1

    def _data(self, stream: Stream, flags: int, body: bytes) -> Iterator[Event]:
        events = stream.receive(input_of(flags))
        if events is None:
            yield self._fail(stream, "the server sent stream data, but the method answers once")
            return
        for event in events:
            if event is _CLOSED:
                self.finish(stream)
                yield event, stream, None
            else:
                yield event, stream, body

    def _fail(self, stream: Stream, reason: str) -> Event:
        self.finish(stream)
        return _FAILED, stream, RemoteProtocolError(f"stream {stream.id}: {reason}")

    def _count_unknown(self, stream_id: int) -> None:
        if stream_id % 2 and stream_id < self._next_id:
            self.counters.late_frames += 1
        else:
            self.counters.stray_frames += 1
