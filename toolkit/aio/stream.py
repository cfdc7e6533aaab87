"""A streaming call of an asyncio channel."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from toolkit.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator
    from types import TracebackType

    from toolkit.aio.deadlines import Deadlines
    from toolkit.aio.link import Link
    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.session import Pending
    from toolkit.rpc.stream import StreamCall
    from toolkit.schema.method import Method

__all__ = ["Opening", "Stream"]


class Opening:
    """A stream to be: awaited or entered once."""

    def __init__(
        self, start: Callable[[], Coroutine[Any, Any, Stream]], message: MessageLike
    ) -> None:
        self._start = start
        self._message = message
        self._stream: Stream | None = None

    def __await__(self) -> Generator[Any, None, Stream]:
        return self._open().__await__()

    async def __aenter__(self) -> Stream:
        self._stream = await self._open()
        return self._stream

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._stream is not None:
            self._stream.cancel()

    async def _open(self) -> Stream:
        stream = await self._start()
        if self._message is not None:
            try:
                await stream.send(self._message)
            except BaseException:
                stream.cancel()
                raise
        return stream


class Stream:
    """Messages both ways; one task may send while another one receives.

    Enter it with ``async with``: leaving it early forgets the call on this side (TTRPC cannot tell
    the server). Iterating gives the messages that come; for a method that answers once, its reply.
    """

    def __init__(
        self,
        link: Link,
        call: StreamCall,
        deadlines: Deadlines[Pending],
        *,
        settle: float = 0.0,
    ) -> None:
        self._link = link
        self._call = call
        self._deadlines = deadlines
        self._number: int | None = None  # of this call's deadline
        self._settle = settle
        self._settled = False
        self._loop = asyncio.get_running_loop()
        if call.sends:
            call.open(b"", self._loop.time())
            self._opened()

    @property
    def method(self) -> Method:
        """The method that was called."""
        return self._call.method

    async def send(self, message: MessageLike = None, /) -> None:
        """Send one message, and wait for room for the next one.

        For a server-streaming method the first message opens the call, and there is no second.

        Raises:
            LocalProtocolError: nothing can be sent (any more), or the server has ended the call.
            RpcError: the call has failed, or its deadline passed; or RESOURCE_EXHAUSTED, the
                message is too long and the stream goes on.
            ConnectionClosed: the connection went away.
            MessageError: the message does not fit the method.
        """
        payload = self._call.encode(message)
        await self._wait_for_refusal()
        opened = self._call.pending is not None
        self._call.send(payload, self._loop.time())
        if not opened:
            self._opened()
        await self._flush()

    async def close_send(self) -> None:
        """Say that no more messages follow; twice, or after the end, is fine."""
        await self._wait_for_refusal()
        self._call.close_send()
        await self._flush()

    async def receive(self) -> Any:
        """The next message; None at the end, again and again.

        Raises:
            RpcError: the server says why not, or the deadline passed; raised again each time.
            ConnectionClosed: the connection went away.
            RemoteProtocolError: the server broke the protocol in this call.
        """
        call = self._call
        if call.pending is None:
            raise LocalProtocolError(f"{call.method.path} takes one message: send it first")
        while not call.ready():
            await self._news()
        return call.take()

    def cancel(self) -> None:
        """Forget the call on this side; what still comes for it is dropped."""
        self._call.cancel()
        if self._number is not None:
            self._deadlines.discard(self._number)
            self._number = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.receive()) is not None:
            yield message

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Stream {self._call.method.path}{' over' if self._call.over else ''}>"

    def _opened(self) -> None:
        pending = self._call.pending
        assert pending is not None
        pending.waiter = []
        if self._call.deadline is not None:
            self._number = self._deadlines.add(self._call.deadline, pending)
        self._link.flush_soon()

    async def _flush(self) -> None:
        self._link.flush_soon()
        await self._link.room()

    async def _news(self) -> None:
        assert self._call.pending is not None
        waiter = self._loop.create_future()
        waiters: list[asyncio.Future[None]] = self._call.pending.waiter
        waiters.append(waiter)
        try:
            await waiter
        finally:
            waiters.remove(waiter)

    async def _wait_for_refusal(self) -> None:
        """Let a server refuse the call before it gets data that could kill it.

        Servers of Go ttrpc 1.2.0 to 1.2.7 refuse an unknown method at once, and die of a frame
        that follows.
        """
        if self._settled or self._call.pending is None:
            return
        self._settled = True
        if self._settle > 0:
            with contextlib.suppress(TimeoutError):  # then it was not refused
                async with asyncio.timeout(self._settle):
                    while not self._call.over:
                        await self._news()
