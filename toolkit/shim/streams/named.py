"""containerd's Streaming service, whose streams other calls name by id: for blocking callers."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from toolkit.errors import RpcError
from toolkit.rpc.stream import SETTLE
from toolkit.shim.streams.handshake import (
    ACK,
    STREAMING_SERVICE,
    Opened,
    already_open,
    check_ack,
    first_message,
    no_ack,
    not_open,
    read_first,
)
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.rpc.context import Context
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method
    from toolkit.sync import Channel
    from toolkit.sync.stream import Stream

__all__ = ["STREAMING_SERVICE", "HubStream", "StreamHub", "accept", "open_stream"]

MAX_QUEUED = 64  # messages that wait to be sent; then send waits
_GLANCE = 0.25  # seconds after which a stream looks whether its client has gone


def open_stream(
    channel: Channel,
    method: Method,
    id: str,
    *,
    timeout: float | None = None,
    metadata: MetadataLike | None = None,
    settle: float = SETTLE,
) -> Stream:
    """Open a named stream, and wait until the server has said that it is open.

    ::

        method = schema.service(STREAMING_SERVICE)["Stream"]
        with open_stream(channel, method, "logs-1", timeout=5) as stream:
            ...                                     # other calls may name it now
            for packed in stream:
                message = schema.unpack(packed)

    Args:
        channel: to the server.
        method: ``Stream`` of the Streaming service, or a method alike.
        id: of the stream; make up a new one each time.
        timeout: seconds until it has to be open; None waits for as long as it takes. The stream
            itself may then last.
        metadata: of the call; ``containerd-namespace-ttrpc`` is part of the stream's name.
        settle: seconds to wait for a refusal before the first message, see ``Channel.stream``.

    Raises:
        DeadlineExceeded: the server did not say so in time.
        RemoteProtocolError: it ended the stream instead.
        RpcError: it refuses, as with ALREADY_EXISTS an id that is taken; UNIMPLEMENTED where it
            has no such service.
        MessageError: the id is empty.
    """
    first = first_message(method, id)
    until = None if timeout is None else time.monotonic() + timeout
    if timeout is not None:
        settle = min(settle, timeout)
    stream = channel.stream(method, metadata=metadata, settle=settle)
    try:
        stream.send(first)
        if timeout is not None and until is not None:
            left = max(until - time.monotonic(), 0)
            if not stream.wait(left):
                raise no_ack(id, timeout)
        check_ack(id, stream.receive())
    except BaseException:
        stream.cancel()
        raise
    return stream


def accept(requests: Iterator[Any], context: Context) -> Opened:
    """Read a client's first message, in a handler of one's own.

    ::

        def Stream(self, requests, context):
            opened = accept(requests, context)
            yield ACK
            yield from requests

    Raises:
        RpcError: INVALID_ARGUMENT, it is no StreamInit; as from ``requests``.
    """
    return read_first(next(requests, None), context)


class StreamHub:
    """The Streaming service: keeps the streams that clients open, for other handlers to use.

    ::

        hub = StreamHub()
        server.add(schema.service(STREAMING_SERVICE), hub)

        def Transfer(self, request, context):       # a handler of another service
            with hub.get("logs-1", context) as stream:
                stream.send(schema.pack(message))
    """

    def __init__(self) -> None:
        self._streams: dict[Opened, HubStream] = {}
        self._lock = threading.Lock()  # guards _streams

    def Stream(self, requests: Iterator[Any], context: Context) -> Iterator[Any]:
        """What clients call."""
        opened = accept(requests, context)
        stream = HubStream(opened, requests, context)
        with self._lock:
            if opened in self._streams:
                raise already_open(opened)
            self._streams[opened] = stream
        try:
            yield ACK
            yield from stream.outgoing()
        finally:
            with self._lock:
                del self._streams[opened]
            stream.end()

    def get(self, id: str, context: Context | None = None, *, namespace: str = "") -> HubStream:
        """A stream that is open: in the namespace, or opened without any, as Go's clients do.

        Args:
            id: as the client named it.
            context: of the call that names the stream; it has the namespace.
            namespace: of the stream, without a context.

        Raises:
            RpcError: NOT_FOUND, there is none.
        """
        opened = Opened(id, namespace) if context is None else Opened.named(id, context)
        with self._lock:
            stream = self._streams.get(opened) or self._streams.get(opened.anywhere)
        if stream is None:
            raise not_open(opened)
        return stream

    def close(self) -> None:
        """End every stream."""
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.close()


class HubStream:
    """The server's end of a stream; one thread may send while another one receives.

    Leaving its block ends it, for the client too.

    Attributes:
        id: as the client named it.
        namespace: containerd's, or empty.
        method: that was called; it has the schema.
    """

    def __init__(self, opened: Opened, requests: Iterator[Any], context: Context) -> None:
        self.id, self.namespace = opened
        self.method = context.method
        self._requests = requests
        self._context = context
        self._queue: deque[Any] = deque()
        self._changed = threading.Condition()  # guards _queue, _closed and _over
        self._closed = False  # by us
        self._over = False  # nobody sends what is queued

    def send(self, message: Any) -> None:
        """Send an Any; waits while the client is far behind.

        Raises:
            RpcError: CANCELLED, the stream has ended.
        """
        with self._changed:
            while len(self._queue) >= MAX_QUEUED and not (self._over or self._closed):
                self._changed.wait()
            if self._over or self._closed:
                raise self._ended()
            self._queue.append(message)
            self._changed.notify_all()

    def receive(self) -> Any:
        """The next Any; None when the client sends no more, or the stream was closed here.

        One that waits while another thread closes the stream may wait on, until something comes
        over the connection or the client is gone.

        Raises:
            RpcError: CANCELLED when the client is gone.
        """
        if self._closed:
            return None
        if self._over:
            raise self._ended()
        return next(self._requests, None)

    def close(self) -> None:
        """End the stream, after what has been sent; twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close_send(self) -> None:
        """The same: a server cannot end its own side alone."""
        self.close()

    def __iter__(self) -> Iterator[Any]:
        while (message := self.receive()) is not None:
            yield message

    def __enter__(self) -> HubStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def outgoing(self) -> Iterator[Any]:
        """What is sent, until the stream is closed; for the hub."""
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    if not self._changed.wait(_GLANCE) and self._context.cancelled:
                        raise RpcError(Code.CANCELLED, "the client has gone")
                if not self._queue:
                    return
                message = self._queue.popleft()
                self._changed.notify_all()
            yield message

    def end(self) -> None:
        """Nothing is sent any more; for the hub."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _ended(self) -> RpcError:
        return RpcError(Code.CANCELLED, f"stream {self.id!r} has ended")
