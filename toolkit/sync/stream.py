"""A streaming call of a blocking channel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from toolkit.errors import LocalProtocolError
from toolkit.rpc.deadline import exceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.stream import StreamCall
    from toolkit.schema.method import Method
    from toolkit.sync.pump import Pump

__all__ = ["Stream"]


class Stream:
    """Messages both ways; one thread may send while another one receives.

    Use it as a context manager: leaving it early forgets the call on this side (TTRPC cannot tell
    the server). Iterating gives the messages that come; for a method that answers once, its reply.
    """

    def __init__(
        self,
        pump: Pump,
        call: StreamCall,
        announce: Callable[[], None],
        *,
        settle: float = 0.0,
    ) -> None:
        self._pump = pump
        self._call = call
        self._announce = announce  # runs the channel's callbacks, once it is closed
        self._settle = settle
        self._settled = settle <= 0
        if call.sends:
            with pump.lock:
                call.open(b"", time.monotonic())
                pump.push()

    @property
    def method(self) -> Method:
        """The method that was called."""
        return self._call.method

    def send(self, message: MessageLike = None, /) -> None:
        """Send one message, and wait until it is written.

        For a server-streaming method the first message opens the call, and there is no second.

        Raises:
            LocalProtocolError: nothing can be sent (any more), or the server has ended the call.
            RpcError: the call has failed, or its deadline passed; or RESOURCE_EXHAUSTED, the
                message is too long and the stream goes on.
            ConnectionClosed: the connection went away.
            MessageError: the message does not fit the method.
        """
        payload = self._call.encode(message)
        pump = self._pump
        try:
            with pump.lock:
                if not self._settled and self._call.pending is not None:
                    self._wait_for_refusal()
                self._call.send(payload, time.monotonic())
                pump.push()
                if pump.unsent:
                    self._flush()
        finally:
            self._announce()

    def close_send(self) -> None:
        """Say that no more messages follow; twice, or after the end, is fine."""
        try:
            with self._pump.lock:
                if not self._settled and self._call.pending is not None:
                    self._wait_for_refusal()
                self._call.close_send()
                self._flush()
        finally:
            self._announce()

    def receive(self) -> Any:
        """The next message; None at the end, again and again.

        Raises:
            RpcError: the server says why not, or the deadline passed; raised again each time.
            ConnectionClosed: the connection went away.
            RemoteProtocolError: the server broke the protocol in this call.
        """
        call = self._call
        if call.pending is None:
            raise LocalProtocolError(f"{call.method.path} takes one message: send it first")
        try:
            with self._pump.lock:
                if not call.ready():
                    self._wait(call.ready)
                return call.take()
        finally:
            self._announce()

    def wait(self, timeout: float) -> bool:
        """Wait until ``receive`` answers at once; False when that takes longer than ``timeout``.

        The stream goes on either way.
        """
        call = self._call
        if call.pending is None:
            raise LocalProtocolError(f"{call.method.path} takes one message: send it first")
        until = time.monotonic() + timeout
        if call.deadline is not None:
            until = min(until, call.deadline)
        try:
            with self._pump.lock:
                # The end of the connection makes it ready, too.
                return self._pump.wait(call.ready, until, call.pending) or call.ready()
        finally:
            self._announce()

    def cancel(self) -> None:
        """Forget the call on this side; what still comes for it is dropped."""
        with self._pump.lock:
            self._call.cancel()

    def __iter__(self) -> Iterator[Any]:
        while (message := self.receive()) is not None:
            yield message

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()

    def __repr__(self) -> str:
        return f"<Stream {self._call.method.path}{' over' if self._call.over else ''}>"

    def _wait_for_refusal(self) -> None:
        """Let a server refuse the call before it gets data that could kill it.

        Servers of Go ttrpc 1.2.0 to 1.2.7 refuse an unknown method at once, and die of a frame
        that follows.
        """
        self._settled = True
        until = time.monotonic() + self._settle
        if self._call.deadline is not None:
            until = min(until, self._call.deadline)
        self._pump.wait(lambda: self._call.over, until, self._call.pending)

    def _flush(self) -> None:
        self._wait(lambda: not self._pump.unsent or self._call.over, room=True)

    def _wait(self, ready: Callable[[], bool], *, room: bool = False) -> None:
        call, pump = self._call, self._pump
        assert call.pending is not None
        if not pump.wait(ready, call.deadline, call.pending, room=room) and not ready():
            failure = call.failure()
            if failure is None:
                failure = call.fail(exceeded())
            raise failure.with_traceback(None)
