"""Bytes over a stream of the Streaming service, as containerd's transfer service sends them.

TTRPC has no flow control, so the receiver grants room: the sender may have so many bytes on their
way and no more. containerd core/transfer/streaming has the other ends.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from toolkit.errors import LocalProtocolError, RemoteProtocolError, ToolkitError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from toolkit.schema.method import Method

    class ByteStream(Protocol):
        """A blocking stream of Anys, of either side."""

        @property
        def method(self) -> Method: ...
        def send(self, message: Any, /) -> None: ...
        def receive(self) -> Any: ...
        def close_send(self) -> None: ...

    class AsyncByteStream(Protocol):
        """The same of asyncio."""

        @property
        def method(self) -> Method: ...
        async def send(self, message: Any, /) -> None: ...
        async def receive(self) -> Any: ...
        async def close_send(self) -> None: ...


__all__ = [
    "DATA",
    "PIECE",
    "WINDOW",
    "WINDOW_UPDATE",
    "receive_bytes",
    "receive_bytes_async",
    "send_bytes",
    "send_bytes_async",
]

DATA = "containerd.types.transfer.Data"
WINDOW_UPDATE = "containerd.types.transfer.WindowUpdate"
PIECE = 32 << 10  # bytes in a message at most; as containerd
WINDOW = 2 * PIECE  # bytes that are granted at a time, whenever less is left; as containerd


def send_bytes(stream: ByteStream, pieces: Iterable[bytes]) -> int:
    """Send bytes, as the receiver makes room for them, and end the sending; how many it were.

    Args:
        stream: an open one, which nobody else sends on or receives from.
        pieces: of any size, such as an open file's ``iter(partial(file.read, 65536), b"")``.

    Raises:
        RemoteProtocolError: the receiver ended the stream before it had all, or sent something
            else than room.
        RpcError, ConnectionClosed: as from the stream.
    """
    sender = _Sender(stream.method)
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            while not sender.room:
                sender.granted(stream.receive())
            message, rest = sender.cut(rest)
            with sender.told():
                stream.send(message)
    stream.close_send()
    return sender.sent


async def send_bytes_async(
    stream: AsyncByteStream, pieces: Iterable[bytes] | AsyncIterator[bytes]
) -> int:
    """Send bytes, as the receiver makes room for them, and end the sending; how many it were.

    Args:
        stream: an open one, which nobody else sends on or receives from.
        pieces: of any size; an asynchronous iterator does as well.

    Raises:
        RemoteProtocolError: the receiver ended the stream before it had all, or sent something
            else than room.
        RpcError, ConnectionClosed: as from the stream.
    """
    sender = _Sender(stream.method)
    async for piece in _each(pieces):
        rest = memoryview(piece)
        while rest:
            while not sender.room:
                sender.granted(await stream.receive())
            message, rest = sender.cut(rest)
            with sender.told():
                await stream.send(message)
    await stream.close_send()
    return sender.sent


def receive_bytes(stream: ByteStream) -> Iterator[bytes]:
    """The bytes that come, until the sender ends them; then this side ends as well.

    Room is granted when a piece is asked for: whoever does not ask makes the sender wait.

    Raises:
        RemoteProtocolError: something else than data came.
        RpcError, ConnectionClosed: as from the stream.
    """
    receiver = _Receiver(stream.method)
    while True:
        if receiver.wants_more:
            with suppress(ToolkitError):  # the stream has ended: what is left says how
                stream.send(receiver.grant())
        message = stream.receive()
        if message is None:
            break
        yield receiver.taken(message)
    stream.close_send()


async def receive_bytes_async(stream: AsyncByteStream) -> AsyncIterator[bytes]:
    """The bytes that come, until the sender ends them; then this side ends as well.

    Room is granted when a piece is asked for: whoever does not ask makes the sender wait.

    Raises:
        RemoteProtocolError: something else than data came.
        RpcError, ConnectionClosed: as from the stream.
    """
    receiver = _Receiver(stream.method)
    while True:
        if receiver.wants_more:
            with suppress(ToolkitError):  # the stream has ended: what is left says how
                await stream.send(receiver.grant())
        message = await stream.receive()
        if message is None:
            break
        yield receiver.taken(message)
    await stream.close_send()


class _Sender:
    """How much may be sent, and what."""

    def __init__(self, method: Method) -> None:
        self._schema = method.service.schema
        self.room = 0  # bytes that may be sent
        self.sent = 0

    def granted(self, message: Any) -> None:
        if message is None:
            raise self._ended_early()
        update = _expect(self._schema, message, WINDOW_UPDATE).update
        if update < 0:
            raise RemoteProtocolError(f"the receiver granted {update} bytes; want 0 or more")
        self.room += update

    def cut(self, rest: memoryview) -> tuple[Any, memoryview]:
        """A message with the beginning of the rest, and what is left of it."""
        size = min(len(rest), PIECE, self.room)
        self.room -= size
        self.sent += size
        return self._schema.pack(DATA, {"data": bytes(rest[:size])}), rest[size:]

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around a send: it fails here once the receiver has ended the stream."""
        try:
            yield
        except LocalProtocolError as exc:
            raise self._ended_early() from exc

    def _ended_early(self) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"the receiver ended the stream within the first {self.sent} bytes, before it had all"
        )


class _Receiver:
    """How much has been granted."""

    def __init__(self, method: Method) -> None:
        self._schema = method.service.schema
        self._granted = 0  # bytes that may still come

    @property
    def wants_more(self) -> bool:
        return self._granted < WINDOW

    def grant(self) -> Any:
        self._granted += WINDOW
        return self._schema.pack(WINDOW_UPDATE, {"update": WINDOW})

    def taken(self, message: Any) -> bytes:
        data: bytes = _expect(self._schema, message, DATA).data
        self._granted -= len(data)
        return data


def _expect(schema: Any, message: Any, name: str) -> Any:
    found = message.type_url.rpartition("/")[2]
    if found != name:
        raise RemoteProtocolError(f"{found or 'a message of no type'} came; want {name}")
    return schema.unpack(message)


async def _each(pieces: Any) -> AsyncIterator[bytes]:
    if hasattr(pieces, "__aiter__"):
        async for piece in pieces:
            yield piece
    else:
        for piece in pieces:
            yield piece
