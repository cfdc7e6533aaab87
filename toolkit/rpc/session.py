"""The client's session on one connection: which call gets what came in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import ConnectionClosed, RemoteProtocolError, ToolkitError
from toolkit.rpc.inbox import Inbox
from toolkit.wire.client import ClientConnection
from toolkit.wire.events import EventType
from toolkit.wire.stream import Stream

if TYPE_CHECKING:
    from toolkit.wire.connection import Trace

__all__ = ["ClientSession", "Pending"]

# An enum's member costs as much to look up as a frame to cut.
_RESPONSE, _MESSAGE = EventType.RESPONSE, EventType.MESSAGE


class Pending(Stream):
    """A call that waits, and what it waits for.

    Attributes:
        response: the Response, when it came.
        error: why there will be none.
        inbox: the messages that came, for a call that receives a stream.
        waiter: whatever the flavour has to wake when there is news.
    """

    __slots__ = ("error", "inbox", "response", "waiter")

    def __init__(self, stream_id: int) -> None:
        super().__init__(stream_id)
        self.response: bytes | None = None
        self.error: ToolkitError | None = None
        self.inbox: Inbox | None = None
        self.waiter: Any = None

    def answered(self) -> bool:
        """Whether a unary call is over."""
        return self.response is not None or self.error is not None


class ClientSession:
    """Calls over a ``ClientConnection``. Not locked: the flavour sees to that."""

    __slots__ = ("closed", "wire")

    def __init__(self, *, trace: Trace | None = None) -> None:
        self.wire = ClientConnection(trace=trace, stream_class=Pending)
        self.closed: ConnectionClosed | None = None

    def open(self, request: bytes, *, sends: bool = False, receives: bool = False) -> Pending:
        """Start a call; its Request is in the outbox.

        Raises:
            ConnectionClosed: the connection is gone.
            RpcError: RESOURCE_EXHAUSTED, the Request is too long.
        """
        if self.closed is not None:
            raise _closed(self.closed, unsent=True)
        pending: Pending = self.wire.open(request, sends=sends, receives=receives)
        if receives:
            pending.inbox = Inbox()
        return pending

    def cancel(self, pending: Pending) -> None:
        """Forget a call; what still comes for it is dropped."""
        self.wire.cancel(pending)

    def fail(self, pending: Pending, error: ToolkitError) -> None:
        """End a call on this side, with an error."""
        self.cancel(pending)
        self._end(pending, error)

    def receive(self, data: bytes) -> list[Pending]:
        """Take in bytes; the calls that have news.

        When the peer breaks the protocol for good, these are all calls, and the session is closed.
        """
        news: list[Pending] = []
        try:
            for event, pending, body in self.wire.receive(data):
                news.append(pending)
                if event is _RESPONSE:
                    pending.response = body
                    if pending.inbox is not None:
                        pending.inbox.end()
                elif event is _MESSAGE:
                    assert isinstance(body, bytes)
                    self._message(pending, body)
                else:
                    self._end(pending, body if isinstance(body, ToolkitError) else None)
        except RemoteProtocolError as exc:
            news += self.close(ConnectionClosed(str(exc), by_peer=True))
        return news

    def close(self, reason: ConnectionClosed) -> list[Pending]:
        """Fail every call, each with an error of its own; the calls that have news."""
        if self.closed is not None:
            return []
        self.closed = reason
        pending: list[Pending] = list(self.wire.streams.values())
        unsent = self.wire.outbox.unsent()
        for call in pending:
            self._end(call, _closed(reason, unsent=call.id in unsent))
            call.finished = True
        self.wire.streams.clear()
        return pending

    def _message(self, pending: Pending, body: bytes) -> None:
        assert pending.inbox is not None
        overflow = pending.inbox.put(body)
        if overflow is not None:
            self.wire.cancel(pending)
            self._end(pending, overflow)

    def _end(self, pending: Pending, error: ToolkitError | None) -> None:
        pending.error = error
        if pending.inbox is not None:
            pending.inbox.end(error)


def _closed(reason: ConnectionClosed, *, unsent: bool) -> ConnectionClosed:
    return ConnectionClosed(reason.reason, by_peer=reason.by_peer, unsent=unsent)
