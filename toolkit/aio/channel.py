"""An asyncio client connection, for any number of tasks."""

from __future__ import annotations

import asyncio
import logging
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.aio.deadlines import Deadlines
from toolkit.aio.link import Link, attach
from toolkit.aio.stream import Opening, Stream
from toolkit.aio.transport import connect_socket
from toolkit.errors import ConnectionClosed
from toolkit.rpc.call import (
    CallEncoder,
    decode_reply,
    encode_message,
    require_streaming,
    require_unary,
)
from toolkit.rpc.deadline import deadline_in, exceeded
from toolkit.rpc.interceptors import Call, chain
from toolkit.rpc.session import ClientSession
from toolkit.rpc.stream import StreamCall
from toolkit.rpc.stub import Client
from toolkit.schema.message import as_message
from toolkit.sockets import peer_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Sequence
    from types import TracebackType

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.context import Peer
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.rpc.session import Pending
    from toolkit.schema.method import Method, Service
    from toolkit.sockets import AddressLike
    from toolkit.wire.connection import Counters, Trace

__all__ = ["Channel", "connect"]

logger = logging.getLogger(__name__)


def connect(
    address: AddressLike,
    *,
    timeout: float | None = None,
    interceptors: Sequence[Interceptor] = (),
    trace: Trace | None = None,
) -> Connecting:
    """A channel to a server: ``await`` it, or enter it with ``async with``.

    Args:
        address: ``unix:///path``, ``unix://@abstract``, ``vsock://cid:port``,
            ``hvsock:///path:port``, ``tcp://host:port``, a connected socket, or the number of a
            file descriptor that is one. The channel closes it.
        timeout: for connecting, in seconds; calls have a timeout of their own.
        interceptors: ``async`` callables around every call, the first one outermost.
        trace: called with "sent" or "received", stream id, message type, flags and data length
            of every frame.

    Raises:
        AddressError: the text is no address.
        ConnectFailed: nobody answers there.
    """
    return Connecting(address, timeout, interceptors, trace)


class Connecting:
    """A channel to be: awaited or entered once."""

    def __init__(
        self,
        address: AddressLike,
        timeout: float | None,
        interceptors: Sequence[Interceptor],
        trace: Trace | None,
    ) -> None:
        self._address = address
        self._timeout = timeout
        self._interceptors = interceptors
        self._trace = trace
        self._channel: Channel | None = None

    def __await__(self) -> Generator[Any, None, Channel]:
        return self._connect().__await__()

    async def __aenter__(self) -> Channel:
        self._channel = await self._connect()
        return self._channel

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._channel is not None:
            self._channel.close()
            await self._channel.wait_closed()

    async def _connect(self) -> Channel:
        sock, name = await connect_socket(self._address, self._timeout)
        channel = Channel(sock, name, interceptors=self._interceptors, trace=self._trace)
        try:
            await attach(channel._link, sock)  # noqa: SLF001  # the two make one connection
        except BaseException:
            channel.close()
            sock.close()
            raise
        return channel


class Channel:
    """One connection to a server; any number of tasks of one loop may call on it at once.

    Use ``connect`` to make one, and ``close`` it, or enter it with ``async with``.

    Attributes:
        address: what it is connected to, as text.
        peer: who is at the other end.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        *,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
    ) -> None:
        self.address = address
        self.peer: Peer = peer_of(sock, address)
        self._loop = asyncio.get_running_loop()
        self._session = ClientSession(trace=trace)
        self._link = Link(self._session.wire, received=self._received, lost=self._lost)
        self._encoder = CallEncoder()
        self._deadlines: Deadlines[Pending] = Deadlines(self._expire)
        self._callbacks: list[Callable[[], object]] = []
        self._interceptors = tuple(interceptors)
        self._proceed = chain(interceptors, self._call) if interceptors else None

    @property
    def counters(self) -> Counters:
        """Frames and bytes so far."""
        return self._session.wire.counters

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, by either side."""
        return self._session.closed is not None

    async def call(
        self,
        method: Method,
        message: MessageLike = None,
        /,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
    ) -> Any:
        """Call a unary method, and return its reply; cancelling the task ends the call here.

        Args:
            method: of any schema: ``schema.service("…")["State"]``.
            message: None, a message, or a mapping of its fields.
            timeout: seconds for all of it. None waits for as long as it takes.
            metadata: text by key; several values in a list.

        Raises:
            RpcError: the server says why not; ``DeadlineExceeded`` when time ran out on this
                side or there; RESOURCE_EXHAUSTED when the message is too long to be sent.
            ConnectionClosed: the connection went away; the call may have been carried out.
            MessageError: the message does not fit the method.
            RemoteProtocolError: the server broke the protocol in this call.
        """
        require_unary(method)
        deadline = None if timeout is None else deadline_in(timeout, self._loop.time())
        if self._proceed is not None:
            return await self._proceed(Call(method, message, metadata, deadline))
        return await self._unary(method, message, metadata, deadline)

    def stream(
        self,
        method: Method,
        message: MessageLike = None,
        /,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        settle: float = 0.0,
    ) -> Opening:
        """Call a streaming method: ``await`` it, or enter it with ``async with``.

        ::

            async with channel.stream(method) as stream:
                await stream.send(message)
                await stream.close_send()
                async for message in stream:
                    ...

        Args:
            method: of any schema.
            message: the first one to send; for a server-streaming method, the only one. None
                sends nothing yet.
            timeout: seconds for the whole call.
            metadata: as for ``call``.
            settle: seconds to wait for a refusal before the first message or the close: where a
                method may be missing on a server of Go ttrpc 1.2.0 to 1.2.7, which is that of
                most runc shims, such a frame kills the server.

        Raises:
            ConnectionClosed, DeadlineExceeded, MessageError, RpcError: as for ``call``.
        """
        require_streaming(method)
        if message is not None:
            message = as_message(method.request, message)  # before anything is sent
        deadline = None if timeout is None else deadline_in(timeout, self._loop.time())
        call = Call(method, None, metadata, deadline)
        proceed = chain(self._interceptors, partial(self._open, settle=settle))
        return Opening(partial(proceed, call), message)

    def client(self, service: Service) -> Client:
        """The methods of a service as methods of an object: ``await client.State(id="web")``."""
        return Client(self, service)

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have this called once, after the connection has gone and every call on it has failed.

        At once, when the connection has gone already.
        """
        self._callbacks.append(callback)
        if self._session.closed is not None:
            self._announce()

    def close(self) -> None:
        """End the connection; calls that are open fail with ``ConnectionClosed``. Twice is fine."""
        self._end(ConnectionClosed("the channel was closed here", by_peer=False))

    async def wait_closed(self) -> None:
        """Wait until the connection is gone, by either side."""
        await asyncio.shield(self._link.closed)

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    def __repr__(self) -> str:
        return f"<Channel {self.address} {'closed' if self.closed else 'open'}>"

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None and session.closed is None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)

    async def _open(self, call: Call, *, settle: float) -> Stream:
        streaming = StreamCall(
            self._session, self._encoder, call.method, call.metadata, call.deadline
        )
        return Stream(self._link, streaming, self._deadlines, settle=settle)

    def _call(self, call: Call) -> Any:
        return self._unary(call.method, call.message, call.metadata, call.deadline)

    async def _unary(
        self,
        method: Method,
        message: MessageLike,
        metadata: MetadataLike | None,
        deadline: float | None,
    ) -> Any:
        payload = encode_message(method.request, message)
        now = 0.0 if deadline is None else self._loop.time()
        request = self._encoder.request(method, payload, metadata, deadline, now)
        pending = self._session.open(request)
        self._link.flush_soon()
        pending.waiter = [self._loop.create_future()]
        number = None if deadline is None else self._deadlines.add(deadline, pending)
        try:
            await pending.waiter[0]
        finally:
            if pending.response is None:
                self._session.cancel(pending)
            if number is not None:
                self._deadlines.discard(number)
        if pending.response is not None:
            return decode_reply(method, pending.response)
        assert pending.error is not None
        raise pending.error

    def _expire(self, late: list[Pending]) -> None:
        for pending in late:
            if not pending.finished:
                self._session.fail(pending, exceeded())
                _wake(pending)

    def _received(self, data: bytes) -> None:
        if not data:
            where = " in the middle of a frame" if self._session.wire.in_frame else ""
            self._end(ConnectionClosed(f"the peer closed the connection{where}", by_peer=True))
            return
        try:
            for pending in self._session.receive(data):
                _wake(pending)
        except Exception as exc:
            # A trace that raises: what was in these bytes for other calls is lost.
            self._end(ConnectionClosed(f"{type(exc).__name__} in the trace", by_peer=False))
            raise
        if self._session.closed is not None:
            self._finish()

    def _lost(self, error: BaseException | None) -> None:
        reason = f"the connection broke: {error}" if error is not None else ""
        self._end(ConnectionClosed(reason, by_peer=True))

    def _end(self, reason: ConnectionClosed) -> None:
        if self._session.closed is None:
            for pending in self._session.close(reason):
                _wake(pending)
            self._finish()

    def _finish(self) -> None:
        self._deadlines.close()
        self._link.close()
        self._loop.call_soon(self._announce)  # after the tasks whose calls failed

    def _announce(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                logger.exception("an on_close callback of %r failed", self)


def _wake(pending: Pending) -> None:
    for waiter in pending.waiter or ():
        if not waiter.done():
            waiter.set_result(None)
