"""The server's session on one connection: what becomes of each Request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from toolkit.errors import RpcError
from toolkit.rpc.context import Context
from toolkit.rpc.deadline import exceeded
from toolkit.rpc.envelope import Request, decode_request, encode_response, encode_status
from toolkit.rpc.failure import status_of
from toolkit.rpc.inbox import Inbox
from toolkit.rpc.interceptors import Call
from toolkit.schema.message import as_message
from toolkit.schema.method import Kind
from toolkit.status import Code
from toolkit.wire.events import EventType
from toolkit.wire.frame import REMOTE_CLOSED
from toolkit.wire.server import ServerConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.context import Peer
    from toolkit.rpc.router import Route, Router
    from toolkit.wire.connection import Trace
    from toolkit.wire.server import ServerStream

__all__ = ["IncomingCall", "ServerSession"]

# An enum's member costs as much to look up as a frame to cut.
_REQUEST, _MESSAGE = EventType.REQUEST, EventType.MESSAGE
_UNARY = Kind.UNARY


_SHORT = 4096  # characters of a status message when the whole of it is too long for a frame


class IncomingCall:
    """A call that a handler answers.

    Attributes:
        route: the method and its handler.
        context: for the handler.
        payload: the request, undecoded; of a call that receives a stream, not used.
        inbox: the messages that the client sends, for a call that receives a stream.
        stream: its stream on the wire; ``stream.finished`` once the client has its answer.
        waiter: whatever the flavour has to wake when there is news.
    """

    __slots__ = ("context", "inbox", "payload", "route", "stream", "waiter")

    def __init__(
        self, stream: ServerStream, route: Route, context: Context, payload: bytes
    ) -> None:
        self.stream = stream
        self.route = route
        self.context = context
        self.payload = payload
        self.inbox: Inbox | None = None
        self.waiter: Any = None

    def request(self) -> Any:
        """The request message.

        Raises:
            RpcError: INTERNAL, as from Go, when the payload is no such message.
        """
        return self.decode(self.payload)

    def decode(self, payload: bytes) -> Any:
        """One message of the client; raises as ``request``."""
        message_class = self.route.method.request
        try:
            return message_class.FromString(payload)
        except DecodeError as exc:
            name = message_class.DESCRIPTOR.full_name
            raise RpcError(
                Code.INTERNAL, f"{len(payload)} bytes that are no {name}: {exc}"
            ) from exc

    def given(self, request: Any) -> Call:
        """The call as the first interceptor gets it."""
        context = self.context
        message = None if self.inbox is not None else request
        return Call(context.method, message, context.metadata, context.deadline, context)

    def intercepted(self, request: Any, given: Call) -> Any:
        """What the handler gets after the last interceptor: the request, and new metadata."""
        if given.metadata is not self.context.metadata:
            self.context.replace_metadata(given.metadata)
        return request if self.inbox is not None else given.message

    def encode(self, message: MessageLike) -> bytes:
        """One message of the handler.

        Raises:
            MessageError: the handler gave something that is none.
        """
        encoded: bytes = as_message(self.route.method.reply, message).SerializeToString()
        return encoded


class ServerSession:
    """Calls over a ``ServerConnection``. Not locked: the flavour sees to that."""

    __slots__ = ("_clock", "_peer", "_router", "closed", "draining", "wire")

    def __init__(
        self,
        router: Router,
        peer: Peer,
        clock: Callable[[], float],
        *,
        trace: Trace | None = None,
    ) -> None:
        self.wire = ServerConnection(trace=trace)
        self.closed = False
        self.draining = False  # new calls are refused, those that are open go on
        self._router = router
        self._peer = peer
        self._clock = clock

    @property
    def next_deadline(self) -> float | None:
        """When ``expire`` has something to do."""
        deadlines = [call.context.deadline for call in self.calls]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    @property
    def calls(self) -> list[IncomingCall]:
        """The calls that are not answered yet."""
        return [stream.call for stream in self.wire.streams.values()]

    def receive(self, data: bytes) -> tuple[list[IncomingCall], list[IncomingCall]]:
        """Take in bytes: the new calls to run, and the running ones that have news.

        Raises:
            RemoteProtocolError: the peer does not speak TTRPC; close the connection.
        """
        new: list[IncomingCall] = []
        news: list[IncomingCall] = []
        for event, stream, body in self.wire.receive(data):
            if event is _REQUEST:
                assert isinstance(body, bytes)
                call = self._open(stream, body)
                if call is not None:
                    new.append(call)
                continue
            if event is _MESSAGE:
                assert isinstance(body, bytes)
                self._message(stream, body)
            elif event is EventType.FAILED:
                assert isinstance(body, RpcError)
                self._fail(stream, body)
            else:
                stream.call.inbox.end()
            if stream.call is not None:
                news.append(stream.call)
        return new, news

    def reply(self, call: IncomingCall, payload: bytes) -> None:
        """Answer with one message; after the end of the call it is dropped."""
        if call.context.deadline is not None and self._too_late(call):
            self._fail(call.stream, exceeded())
            return
        try:
            self.wire.respond(call.stream, encode_response(payload))
        except RpcError as exc:
            self._fail(call.stream, exc)

    def send(self, call: IncomingCall, payload: bytes) -> None:
        """Send one message of a stream.

        Raises:
            LocalProtocolError: the call is over.
            RpcError: RESOURCE_EXHAUSTED; the call goes on.
        """
        self.wire.send(call.stream, payload)

    def end(self, call: IncomingCall) -> None:
        """End a stream of messages with success."""
        if self._too_late(call):
            self._fail(call.stream, exceeded())
        else:
            self.wire.end(call.stream)
            if call.inbox is not None:  # somebody else than the handler may still read
                call.inbox.end(RpcError(Code.CANCELLED, "the handler has ended the call"))

    def fail(self, call: IncomingCall, error: BaseException) -> None:
        """Answer with the status of an exception."""
        self._fail(call.stream, status_of(error))

    def expire(self, now: float) -> list[IncomingCall]:
        """Answer the calls whose deadline has passed; these calls, cancelled."""
        late = [
            call
            for call in self.calls
            if call.context.deadline is not None and call.context.deadline <= now
        ]
        for call in late:
            self._fail(call.stream, exceeded())
        return late

    def half_close(self) -> list[IncomingCall]:
        """The client sends no more: streams that it has not ended will never be whole; these."""
        calls = [call for call in self.calls if call.inbox is not None and not call.inbox.ended]
        for call in calls:
            assert call.inbox is not None
            call.inbox.end(RpcError(Code.CANCELLED, "the client closed in the middle of a stream"))
        return calls

    def cancel_all(self) -> list[IncomingCall]:
        """Tell every handler that nobody may wait for its answer any more; these calls."""
        calls = self.calls
        for call in calls:
            self._cancel(call)
        return calls

    def begin(self, call: IncomingCall) -> bool:
        """Whether a call that had to wait for its turn is still to be run."""
        if self._too_late(call):
            self._fail(call.stream, exceeded())
        return not call.stream.finished

    def close(self) -> list[IncomingCall]:
        """The client is gone: cancel every call; these calls."""
        self.closed = True
        calls = self.cancel_all()
        for call in calls:
            call.stream.finished = True
        self.wire.streams.clear()
        return calls

    def _open(self, stream: ServerStream, body: bytes) -> IncomingCall | None:
        if self.draining:
            self._fail(stream, RpcError(Code.UNAVAILABLE, "the server is shutting down"))
            return None
        try:
            request = decode_request(body, self._router.prefixes)
            route = self._router.find(request.service, request.method)
            deadline = self._deadline(request) if request.timeout_nano else None
        except ValueError as exc:
            self._fail(stream, RpcError(Code.INVALID_ARGUMENT, f"malformed Request: {exc}"))
            return None
        except RpcError as exc:
            self._fail(stream, exc)
            return None
        context = Context(route.method, self._peer, request.metadata, deadline, self._clock)
        call = IncomingCall(stream, route, context, request.payload)
        kind = route.method.kind
        if kind.client_streaming:
            call.inbox = Inbox()
            # A Request may carry the first message; an empty payload is none (with or without
            # the no-data flag: Go's client leaves that out).
            if request.payload:
                call.inbox.put(request.payload)
            if stream.flags & REMOTE_CLOSED:
                call.inbox.end()
        if kind is not _UNARY:
            self.wire.accept(stream, sends=kind.server_streaming, receives=kind.client_streaming)
        stream.call = call
        return call

    def _deadline(self, request: Request) -> float:
        if request.timeout_nano < 0:  # Go sends what is left, also when nothing is
            raise exceeded()
        return self._clock() + request.timeout_nano / 1e9

    def _too_late(self, call: IncomingCall) -> bool:
        deadline = call.context.deadline
        return deadline is not None and deadline <= self._clock()

    def _message(self, stream: ServerStream, body: bytes) -> None:
        overflow = stream.call.inbox.put(body)
        if overflow is not None:
            self._fail(stream, overflow)

    def _fail(self, stream: ServerStream, error: RpcError) -> None:
        if stream.finished:
            return
        response = encode_status(error)
        if len(response) > self.wire.max_data:
            # Without its details, and the beginning of its text: the code is what counts.
            response = encode_status(RpcError(error.code, error.message[:_SHORT]))
        self.wire.respond(stream, response)
        if stream.call is not None:
            self._cancel(stream.call, error)

    def _cancel(self, call: IncomingCall, error: RpcError | None = None) -> None:
        call.context.cancel()
        if call.inbox is not None:
            call.inbox.end(error or RpcError(Code.CANCELLED, "the client is gone"))
