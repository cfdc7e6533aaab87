"""A blocking client connection, for any number of threads."""

from __future__ import annotations

import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

from toolkit.errors import ConnectionClosed, ToolkitError
from toolkit.rpc.call import CallEncoder, decode_reply, encode_message
from toolkit.rpc.client import ClientSession
from toolkit.rpc.deadline import deadline_in, exceeded
from toolkit.rpc.interceptors import Call, chain
from toolkit.sync.pump import Pump
from toolkit.sync.transport import connect_socket, peer_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.client import Pending
    from toolkit.rpc.context import Peer
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method, Service
    from toolkit.sync.transport import AddressLike
    from toolkit.wire.connection import Counters, Trace

__all__ = ["Channel", "Client", "connect"]

logger = logging.getLogger(__name__)


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
        if method.kind.client_streaming or method.kind.server_streaming:
            raise TypeError(f"{method.path} is a streaming method: use stream()")
        deadline = None if timeout is None else deadline_in(timeout, time.monotonic())
        if self._proceed is not None:
            return self._proceed(Call(method, message, metadata, deadline))
        return self._unary(method, message, metadata, deadline)

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

    def _call(self, call: Call) -> Any:
        return self._unary(call.method, call.message, call.metadata, call.deadline)

    def _unary(
        self,
        method: Method,
        message: MessageLike,
        metadata: MetadataLike | None,
        deadline: float | None,
    ) -> Any:
        payload = encode_message(method.request, message)
        now = 0.0 if deadline is None else time.monotonic()
        request = self._encoder.request(method, payload, metadata, deadline, now)
        pump = self._pump
        with pump.lock:
            pending = self._session.open(request)
            try:
                answered = pump.wait(pending.answered, deadline, pending)
            finally:
                if pending.response is None:
                    self._session.cancel(pending)
        if pending.response is not None:
            return decode_reply(method, pending.response)
        if pending.error is not None:
            self._announce()
            raise pending.error
        assert not answered
        raise exceeded()

    def _received(self, data: bytes) -> None:
        if not data:
            where = " in the middle of a frame" if self._session.wire.in_frame else ""
            self._end(ConnectionClosed(f"the peer closed the connection{where}", by_peer=True))
            return
        self._wake(self._session.receive(data))
        if self._session.closed is not None:
            self._pump.close()

    def _broken(self, error: BaseException) -> None:
        self._end(ConnectionClosed(f"the connection broke: {error}", by_peer=True))

    def _end(self, reason: ConnectionClosed) -> None:
        if self._session.closed is None:
            self._wake(self._session.close(reason))
            self._pump.close()

    def _wake(self, news: list[Pending]) -> None:
        for pending in news:
            self._pump.wake(pending)

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
                logger.exception("an on_close callback of %r failed", self)


class Client:
    """The methods of one service on one channel.

    ``client.State(id="web", timeout=2)`` takes the fields of the request as keywords, or a request
    in first place. A field that is called ``timeout`` or ``metadata`` goes into a mapping:
    ``client.Method({"timeout": 3})``.
    """

    def __init__(self, channel: Channel, service: Service) -> None:
        self._channel = channel
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = self._method(name)
        channel = self._channel

        def call(
            message: MessageLike = None,
            /,
            *,
            timeout: float | None = None,
            metadata: MetadataLike | None = None,
            **fields: Any,
        ) -> Any:
            if fields:
                if message is not None:
                    raise TypeError(f"{method.path}: a message and fields {sorted(fields)}")
                message = fields
            return channel.call(method, message, timeout=timeout, metadata=metadata)

        call.__name__ = method.name
        call.__qualname__ = method.full_name
        setattr(self, name, call)  # made once
        return call

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(method.name for method in self._service.methods)]

    def __repr__(self) -> str:
        return f"<Client {self._service.name} on {self._channel!r}>"

    def _method(self, name: str) -> Method:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._service[name]
        except ToolkitError as exc:
            raise AttributeError(str(exc)) from exc
