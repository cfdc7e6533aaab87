"""A blocking channel that connects again when its connection has gone."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.errors import ConnectFailed, ConnectionClosed
from toolkit.rpc.address import parse
from toolkit.rpc.backoff import Backoff, Patience
from toolkit.rpc.deadline import remaining
from toolkit.rpc.stub import Client
from toolkit.sync.channel import Channel, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method, Service
    from toolkit.sync.stream import Stream
    from toolkit.wire.connection import Trace

__all__ = ["ReconnectingChannel", "reconnecting"]

T = TypeVar("T")


def reconnecting(
    address: str,
    *,
    timeout: float | None = None,
    interceptors: Sequence[Interceptor] = (),
    trace: Trace | None = None,
    backoff: Backoff | None = None,
) -> ReconnectingChannel:
    """A channel that connects with its first call, and again with the next one after a loss.

    Args:
        address: as for ``connect``, as text.
        timeout: seconds that a call may wait for a connection, over all tries; None waits for as
            long as the call's own timeout lets it.
        interceptors: around every call, the first one outermost.
        trace: as for ``connect``.
        backoff: the pauses between tries.

    Raises:
        AddressError: the text is no address.
    """
    return ReconnectingChannel(
        address, timeout=timeout, interceptors=interceptors, trace=trace, backoff=backoff
    )


class ReconnectingChannel:
    """A channel over one connection after the other; any number of threads may call on it.

    A call that the server may have got is never made again: it fails with ``ConnectionClosed``,
    and it is the caller who knows whether to repeat it. One that was certainly not sent goes out
    on the next connection.

    Attributes:
        address: what it connects to, as text.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout: float | None = None,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.address = str(parse(address))
        self._timeout = timeout
        self._interceptors = tuple(interceptors)
        self._trace = trace
        # Guards the backoff, and the making of a channel. It is held while its thread connects
        # and pauses, since the others have to wait for that anyway; but see close().
        self._connecting = threading.Lock()
        self._backoff = backoff or Backoff()
        self._channel: Channel | None = None
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called: losing a connection does not close this channel."""
        return self._closed.is_set()

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

        The timeout is for connecting, too. Arguments and errors are those of ``Channel.call``.

        Raises:
            ConnectFailed: there was no connection in time.
            ConnectionClosed: the connection went away; the call may have been carried out.
        """

        def start(channel: Channel, left: float | None) -> Any:
            reply = channel.call(method, message, timeout=left, metadata=metadata)
            self._backoff.answered()
            return reply

        return self._on_a_channel(start, timeout)

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
        """Call a streaming method; the stream is bound to the connection that it begins on.

        Arguments and errors are those of ``Channel.stream``, and ``ConnectFailed``.
        """

        def start(channel: Channel, left: float | None) -> Stream:
            return channel.stream(method, message, timeout=left, metadata=metadata, settle=settle)

        return self._on_a_channel(start, timeout)

    def client(self, service: Service) -> Client:
        """The methods of a service as methods of an object: ``client.State(id="web")``."""
        return Client(self, service)

    def close(self) -> None:
        """End the connection, and connect no more; calls that are open fail. Twice is fine."""
        self._closed.set()  # ends a pause; a channel that is being made is closed by its maker
        if self._channel is not None:
            self._channel.close()

    def __enter__(self) -> ReconnectingChannel:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ReconnectingChannel {self.address} {'closed' if self.closed else 'open'}>"

    def _on_a_channel(
        self, start: Callable[[Channel, float | None], T], timeout: float | None
    ) -> T:
        patience = Patience(timeout, self._timeout, time.monotonic())
        while True:
            channel = self._connected(patience)
            try:
                return start(channel, remaining(patience.deadline, time.monotonic()))
            except ConnectionClosed as exc:
                if not exc.unsent or self.closed:
                    raise

    def _connected(self, patience: Patience) -> Channel:
        channel = self._channel
        if channel is not None and not channel.closed:
            return channel
        longest = threading.TIMEOUT_MAX
        while not self._connecting.acquire(timeout=patience.at_most(longest, time.monotonic())):
            patience.check(self.address, None, time.monotonic())
        try:
            channel = self._channel
            if channel is None or channel.closed:
                channel = self._channel = self._connect(channel, patience)
        finally:
            self._connecting.release()
        if self.closed:
            channel.close()
        return channel

    def _connect(self, lost: Channel | None, patience: Patience) -> Channel:
        failure: ConnectFailed | None = None
        if lost is not None:
            self._backoff.lost(time.monotonic())
        while True:
            now = time.monotonic()
            if self._closed.wait(patience.at_most(self._backoff.pause(now), now)):
                raise ConnectionClosed("the channel was closed here", by_peer=False, unsent=True)
            now = time.monotonic()
            patience.check(self.address, failure, now)
            try:
                channel = self._try(patience.attempt(now))
            except ConnectFailed as exc:
                failure = exc
                self._backoff.failed(time.monotonic())
            else:
                self._backoff.connected(time.monotonic())
                return channel

    def _try(self, timeout: float) -> Channel:
        return connect(
            self.address, timeout=timeout, interceptors=self._interceptors, trace=self._trace
        )
