"""A blocking client connection, for any number of threads."""

from __future__ import annotations

import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

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
from toolkit.sync.pump import Pump
from toolkit.sync.stream import Stream
from toolkit.sync.transport import connect_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.context import Peer
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method, Service
    from toolkit.sockets import AddressLike
    from toolkit.wire.connection import Counters, Trace

__all__ = ["Channel", "connect"]


def connect(
    address: AddressLike,
    *,
    timeout: float | None = None,
    interceptors: Sequence[Interceptor] = (),
    trace: Trace | None = None,
) -> Channel:
    """A channel to a server.

    Args:
        address: ``unix:///path``, ``unix://@abstract``, ``vsock://cid:port``,
            ``hvsock:///path:port``, ``tcp://host:port``, a connected socket, or the number of a
            file descriptor that is one. The channel closes it.
        timeout: for connecting, in seconds; calls have a timeout of their own.
        interceptors: around every call, the first one outermost.
        trace: called with "sent" or "received", stream id, message type, flags and data length
            of every frame, while a lock is held: it must be quick and must not use the channel.

    Raises:
        AddressError: the text is no address.
        ConnectFailed: nobody answers there.
    """
    sock, name = connect_socket(address, timeout)
    return Channel(sock, name, interceptors=interceptors, trace=trace)


class Channel:
    """One connection to a server; any number of threads may call on it at once.

    Use it as a context manager, or ``close`` it. While no thread is in a call nobody reads, so the
    end of an idle connection shows in the next call, or when ``closed`` is asked.

    Attributes:
        address: what it is connected to, as text.
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
        self._peer = peer_of(sock, address)
        self._session = ClientSession(trace=trace)
        self._encoder = CallEncoder()
        self._callbacks: list[Callable[[], object]] = []
        self._pump = Pump(sock, self._session.wire, received=self._received, broken=self._broken)
        self._interceptors = tuple(interceptors)
        self._proceed = chain(interceptors, self._call) if interceptors else None

    @property
    def counters(self) -> Counters:
        """Frames and bytes so far."""
        return self._session.wire.counters

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""
        return self._peer

    @property
    def closed(self) -> bool:
        """Whether the connection is gone, by either side."""
        with self._pump.lock:
            if self._session.closed is None:
                self._pump.poll()
        self._announce()
        return self._session.closed is not None

    def call(
        self,
        method: Method,
        message: MessageLike = None,
        /,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
    ) -> Any:
        """Call a unary method, and return its reply.

        Args:
            method: of any schema: ``schema.service("…")["State"]``.
            message: None, a message, or a mapping of its fields.
            timeout: seconds for all of it; it also ends a call whose peer has stopped reading.
                None waits for as long as it takes.
            metadata: text by key; several values in a list.

        Raises:
            RpcError: the server says why not; ``DeadlineExceeded`` when time ran out on this
                side or there; RESOURCE_EXHAUSTED when the message is too long to be sent.
            ConnectionClosed: the connection went away; the call may have been carried out.
            MessageError: the message does not fit the method.
            RemoteProtocolError: the server broke the protocol in this call.
        """
        require_unary(method)
        deadline = None if timeout is None else deadline_in(timeout, time.monotonic())
        if self._proceed is not None:
            return self._proceed(Call(method, message, metadata, deadline))
        return self._unary(method, message, metadata, deadline)

    def stream(
        self,
        method: Method,
        message: MessageLike = None,
        /,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        settle: float = 0.0,
    ) -> Stream:
        """Call a streaming method.

        ::

            with channel.stream(method) as stream:
                stream.send(message)
                stream.close_send()
                for message in stream:
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
        deadline = None if timeout is None else deadline_in(timeout, time.monotonic())
        if message is not None:
            message = as_message(method.request, message)  # before anything is sent
        call = Call(method, None, metadata, deadline)
        proceed = chain(self._interceptors, partial(self._open, settle=settle))
        stream: Stream = proceed(call)
        if message is not None:
            try:
                stream.send(message)
            except BaseException:
                stream.cancel()
                raise
        return stream

    def client(self, service: Service) -> Client:
        """The methods of a service as methods of an object: ``client.State(id="web")``."""
        return Client(self, service)

    def on_close(self, callback: Callable[[], object]) -> None:
        """Have this called once, after the connection has gone and every call on it has failed.

        It is called by the thread that notices; at once, when the connection has gone already.
        """
        with self._pump.lock:
            self._callbacks.append(callback)
        self._announce()

    def close(self) -> None:
        """End the connection; calls that are open fail with ``ConnectionClosed``. Twice is fine."""
        with self._pump.lock:
            self._end(ConnectionClosed("the channel was closed here", by_peer=False))
        self._announce()

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._session.closed is not None else "open"
        return f"<Channel {self.address} {state}>"

    def __del__(self) -> None:
        session = getattr(self, "_session", None)
        if session is not None and session.closed is None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=1, source=self)

    def _open(self, call: Call, *, settle: float) -> Stream:
        streaming = StreamCall(
            self._session, self._encoder, call.method, call.metadata, call.deadline
        )
        return Stream(self._pump, streaming, self._announce, settle=settle)

    def _call(self, call: Call) -> Any:
        return self._unary(call.method, call.message, call.metadata, call.deadline)

    def _unary(
        self,
        method: Method,
        message: MessageLike,
        metadata: MetadataLike | None,
        deadline: float | None,
    ) -> Any:
        now = 0.0 if deadline is None else time.monotonic()
        request = self._encoder.request(
            method, encode_message(method.request, message), metadata, deadline, now
        )
        pump, session = self._pump, self._session
        try:
            with pump.lock:
                pending = session.open(request)
                del request  # it may be long, and is not needed once it is written
                try:
                    pump.wait(pending.answered, deadline, pending)
                finally:
                    if pending.response is None:
                        session.cancel(pending)
        finally:
            if session.closed is not None:
                self._announce()
        if pending.response is not None:
            return decode_reply(method, pending.response)
        raise pending.error if pending.error is not None else exceeded()

    def _received(self, data: bytes) -> None:
        if not data:
            where = " in the middle of a frame" if self._session.wire.in_frame else ""
            self._end(ConnectionClosed(f"the peer closed the connection{where}", by_peer=True))
            return
        try:
            for pending in self._session.receive(data):
                self._pump.wake(pending)
        except BaseException as exc:
            # A trace that raises: what was in these bytes for other threads is lost.
            self._end(ConnectionClosed(f"{type(exc).__name__} in the trace", by_peer=False))
            raise
        if self._session.closed is not None:
            self._pump.close()

    def _broken(self, error: BaseException) -> None:
        if isinstance(error, OSError):
            reason = ConnectionClosed(f"the connection broke: {error}", by_peer=True)
        else:
            name = type(error).__name__
            reason = ConnectionClosed(f"{name} in the middle of a transfer", by_peer=False)
        self._end(reason)

    def _end(self, reason: ConnectionClosed) -> None:
        if self._session.closed is None:
            for pending in self._session.close(reason):
                self._pump.wake(pending)
            self._pump.close()

    def _announce(self) -> None:
        """Run the callbacks, once, without the lock."""
        if self._session.closed is None or not self._callbacks:
            return
        with self._pump.lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                import logging  # 5 ms that only this pays

                logging.getLogger(__name__).exception("an on_close callback of %r failed", self)
