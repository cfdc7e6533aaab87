"""containerd's Streaming service, whose streams other calls name by id: for asyncio."""

from __future__ import annotations

import asyncio
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
    from collections.abc import AsyncIterator

    from toolkit.aio import Channel
    from toolkit.aio.stream import Stream
    from toolkit.rpc.context import Context
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method

__all__ = [
    "STREAMING_SERVICE",
    "AsyncHubStream",
    "AsyncStreamHub",
    "accept_async",
    "open_stream_async",
]

MAX_QUEUED = 64  # messages that wait to be sent; then send waits


async def open_stream_async(
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
        async with await open_stream_async(channel, method, "logs-1", timeout=5) as stream:
            ...                                     # other calls may name it now
            async for packed in stream:
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
    if timeout is not None:
        settle = min(settle, timeout)
    stream: Stream = await channel.stream(method, metadata=metadata, settle=settle)
    try:
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                await stream.send(first)
                check_ack(id, await stream.receive())
        except TimeoutError:
            if timeout is None or not limit.expired():
                raise
            raise no_ack(id, timeout) from None
    except BaseException:
        stream.cancel()
        raise
    return stream


async def accept_async(requests: AsyncIterator[Any], context: Context) -> Opened:
    """Read a client's first message, in a handler of one's own.

    ::

        async def Stream(self, requests, context):
            opened = await accept_async(requests, context)
            yield ACK
            async for message in requests:
                yield message

    Raises:
        RpcError: INVALID_ARGUMENT, it is no StreamInit; as from ``requests``.
    """
    return read_first(await anext(requests, None), context)


class AsyncStreamHub:
    """The Streaming service: keeps the streams that clients open, for other handlers to use.

    ::

        hub = AsyncStreamHub()
        server.add(schema.service(STREAMING_SERVICE), hub)

        async def Transfer(self, request, context):     # a handler of another service
            with hub.get("logs-1", context) as stream:
                await stream.send(schema.pack(message))
    """

    def __init__(self) -> None:
        self._streams: dict[Opened, AsyncHubStream] = {}

    async def Stream(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        """What clients call."""
        opened = await accept_async(requests, context)
        if opened in self._streams:
            raise already_open(opened)
        stream = self._streams[opened] = AsyncHubStream(opened, requests, context)
        try:
            yield ACK
            while (message := await stream.outgoing()) is not None:
                yield message
        finally:
            del self._streams[opened]
            stream.end()

    def get(
        self, id: str, context: Context | None = None, *, namespace: str = ""
    ) -> AsyncHubStream:
        """A stream that is open: in the namespace, or opened without any, as Go's clients do.

        Args:
            id: as the client named it.
            context: of the call that names the stream; it has the namespace.
            namespace: of the stream, without a context.

        Raises:
            RpcError: NOT_FOUND, there is none.
        """
        opened = Opened(id, namespace) if context is None else Opened.named(id, context)
        stream = self._streams.get(opened) or self._streams.get(opened.anywhere)
        if stream is None:
            raise not_open(opened)
        return stream

    def close(self) -> None:
        """End every stream."""
        for stream in list(self._streams.values()):
            stream.close()


class AsyncHubStream:
    """The server's end of a stream; one task may send while another one receives.

    Leaving its block ends it, for the client too.

    Attributes:
        id: as the client named it.
        namespace: containerd's, or empty.
        method: that was called; it has the schema.
    """

    def __init__(self, opened: Opened, requests: AsyncIterator[Any], context: Context) -> None:
        self.id, self.namespace = opened
        self.method = context.method
        self._requests = requests
        self._queue: deque[Any] = deque()
        self._changed = asyncio.Event()
        self._closed = False  # by us
        self._over = False  # nobody sends what is queued

    async def send(self, message: Any) -> None:
        """Send an Any; waits while the client is far behind.

        Raises:
            RpcError: CANCELLED, the stream has ended.
        """
        while len(self._queue) >= MAX_QUEUED and not (self._over or self._closed):
            await self._change()
        if self._over or self._closed:
            raise self._ended()
        self._queue.append(message)
        self._changed.set()

    async def receive(self) -> Any:
        """The next Any; None when the client sends no more, or the stream was closed here.

        Raises:
            RpcError: CANCELLED when the client is gone.
        """
        if self._closed:
            return None
        if self._over:
            raise self._ended()
        return await anext(self._requests, None)

    def close(self) -> None:
        """End the stream, after what has been sent; twice is fine."""
        self._closed = True
        self._changed.set()

    async def close_send(self) -> None:
        """The same: a server cannot end its own side alone."""
        self.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.receive()) is not None:
            yield message

    def __enter__(self) -> AsyncHubStream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def outgoing(self) -> Any:
        """What is to be sent next; None once the stream is closed; for the hub."""
        while not self._queue and not self._closed:
            await self._change()
        message = self._queue.popleft() if self._queue else None
        self._changed.set()
        return message

    def end(self) -> None:
        """Nothing is sent any more; for the hub."""
        self._over = True
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _ended(self) -> RpcError:
        return RpcError(Code.CANCELLED, f"stream {self.id!r} has ended")
