"""Moves bytes between an asyncio transport and a session."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.wire.connection import Connection

__all__ = ["Link", "attach"]

_ENOUGH = 1 << 16  # bytes queued in one turn that are written before its end


async def attach(link: Link, sock: socket.socket, *, accepted: bool = False) -> None:
    """Put a connected socket under a link, which closes it."""
    loop = asyncio.get_running_loop()
    sock.settimeout(0)
    if accepted:
        await loop.connect_accepted_socket(lambda: link, sock)
    elif sock.family == socket.AF_UNIX:
        await loop.create_unix_connection(lambda: link, sock=sock)
    else:
        await loop.create_connection(lambda: link, sock=sock)


class Link(asyncio.Protocol):
    """One connection: what is queued in a turn of the loop goes out in one write.

    Args:
        wire: what the bytes go to and come from.
        received: gets the bytes that came, ``b""`` at the end.
        lost: gets the error that ended the connection, None when there is none.
        max_unsent: bytes that wait to be written from which on nothing more is read; None is
            never. A server whose client does not read its replies stops taking calls.
    """

    def __init__(
        self,
        wire: Connection,
        *,
        received: Callable[[bytes], None],
        lost: Callable[[BaseException | None], None],
        max_unsent: int | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._outbox = wire.outbox
        self._received = received
        self._lost = lost
        self._max_unsent = max_unsent
        self._transport: asyncio.Transport | None = None
        self._scheduled = False  # a flush comes at the end of this turn
        self._paused = False  # the transport has enough to write
        self._reading = True
        self._waiters: list[asyncio.Future[None]] = []  # who waits for room
        self.closed = self._loop.create_future()  # done when the connection is gone

    @property
    def unsent(self) -> int:
        """Bytes that wait to be written."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._outbox.size + waiting

    def flush_soon(self) -> None:
        """Write what is queued, with all that is queued in this turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    async def room(self) -> None:
        """Wait until the peer has taken enough for more to be queued.

        A task that sends again and again never ends its turn of the loop, so what it has queued
        goes out in between, many messages in one write.
        """
        if self._outbox.size >= _ENOUGH and not self._paused:
            self._flush()
        while self._paused and not self.closed.done():
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    def close(self) -> None:
        """Write what the kernel takes, and end the connection."""
        if self._transport is None:
            if not self.closed.done():
                self.closed.set_result(None)  # before it began
            return
        self._flush()
        if self._paused:
            self._transport.abort()  # what the peer did not take is not waited for
        else:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are, but not by class
        if self.closed.done():
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._received(data)

    def eof_received(self) -> bool:
        """Called by asyncio; the other direction stays open."""
        self._received(b"")
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by asyncio."""
        self._outbox.clear()
        if not self.closed.done():
            self.closed.set_result(None)
        self._wake()
        self._lost(exc)

    def pause_writing(self) -> None:
        """Called by asyncio."""
        self._paused = True

    def resume_writing(self) -> None:
        """Called by asyncio."""
        self._paused = False
        self._flush()
        if not self._paused:
            self._wake()

    def _flush(self) -> None:
        self._scheduled = False
        outbox, transport = self._outbox, self._transport
        if transport is None or transport.is_closing():
            outbox.clear()
            return
        # While the transport is full the frames stay here, where a cancelled call can drop its.
        while outbox.size and not self._paused:
            chunk = outbox.chunk()
            transport.write(bytes(chunk) if isinstance(chunk, memoryview) else chunk)
            outbox.sent(len(chunk))
        self._control_reading(transport)

    def _control_reading(self, transport: asyncio.Transport) -> None:
        if self._max_unsent is None:
            return
        full = self.unsent >= self._max_unsent
        if full and self._reading:
            self._reading = False
            transport.pause_reading()
        elif not full and not self._reading:
            self._reading = True
            transport.resume_reading()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
