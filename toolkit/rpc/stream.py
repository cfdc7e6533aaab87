"""A client's streaming call: what may be sent when, and what there is to receive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import LocalProtocolError, RemoteProtocolError, ToolkitError
from toolkit.rpc.call import decode_message, decode_reply, encode_message
from toolkit.rpc.envelope import decode_response

if TYPE_CHECKING:
    from toolkit.rpc.call import CallEncoder, MessageLike
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.rpc.session import ClientSession, Pending
    from toolkit.schema.method import Method

__all__ = ["SETTLE", "StreamCall"]

# Servers of Go ttrpc 1.2.0 to 1.2.7, which are in the shims of containerd 1.7 to 2.2, die of a
# message for a method that they lack, and leave their containers behind. They refuse it at once.
SETTLE = 0.1  # seconds to wait for that, where a method may be missing


class StreamCall:
    """The decisions of one streaming call. Not locked: the flavour sees to that.

    Attributes:
        method: what is called.
        deadline: of the whole call, on the channel's clock; None without one.
        pending: the call on the wire, once the Request is on its way.
    """

    __slots__ = ("_encoder", "_metadata", "_session", "_taken", "deadline", "method", "pending")

    def __init__(
        self,
        session: ClientSession,
        encoder: CallEncoder,
        method: Method,
        metadata: MetadataLike | None,
        deadline: float | None,
    ) -> None:
        self.method = method
        self.deadline = deadline
        self.pending: Pending | None = None
        self._session = session
        self._encoder = encoder
        self._metadata = metadata
        self._taken = False  # the one message of a Response has been received

    @property
    def sends(self) -> bool:
        """Whether messages follow the Request, rather than one being in it."""
        return self.method.kind.client_streaming

    @property
    def over(self) -> bool:
        """Whether the server has ended the call, or the connection has."""
        return self.pending is not None and self.pending.finished

    def encode(self, message: MessageLike) -> bytes:
        """A message to send, as bytes."""
        return encode_message(self.method.request, message)

    def open(self, payload: bytes, now: float) -> None:
        """Send the Request; ``payload`` is its message, unless messages follow."""
        kind = self.method.kind
        request = self._encoder.request(self.method, payload, self._metadata, self.deadline, now)
        self.pending = self._session.open(
            request, sends=kind.client_streaming, receives=kind.server_streaming
        )

    def send(self, payload: bytes, now: float) -> None:
        """Send one message; for a method that takes only one, it is in the Request.

        Raises:
            LocalProtocolError: no message can be sent (any more).
            ToolkitError: the call has failed; this says why.
        """
        if self.pending is None:
            self.open(payload, now)
            return
        if not self.sends:
            raise LocalProtocolError(f"{self.method.path} takes one message, and has it")
        if self.pending.finished:
            error = self.failure()
            if error is not None:
                raise error.with_traceback(None)
        self._session.wire.send(self.pending, payload)

    def close_send(self) -> None:
        """Say that no more messages follow."""
        if self.pending is None:
            raise LocalProtocolError(f"{self.method.path} takes one message: send it first")
        self._session.wire.close_send(self.pending)

    def cancel(self) -> None:
        """Forget the call on this side."""
        if self.pending is not None:
            self._session.cancel(self.pending)

    def fail(self, error: ToolkitError) -> ToolkitError:
        """End the call on this side, with an error that is raised from now on."""
        assert self.pending is not None
        self._session.fail(self.pending, error)
        return error

    def failure(self) -> ToolkitError | None:
        """Why the call failed; None while it has not, and after success."""
        if self.pending is None:
            return None
        if self.pending.error is not None or self.pending.response is None:
            return self.pending.error
        return self._status(self.pending.response)[1]

    def ready(self) -> bool:
        """Whether ``take`` has an answer now."""
        assert self.pending is not None
        if self.pending.inbox is not None:
            return self.pending.inbox.is_ready()
        return self.pending.answered()

    def take(self) -> Any:
        """The next message; None at the end, which stays.

        Raises:
            ToolkitError: the call has failed; raised again each time.
        """
        assert self.pending is not None
        if self.pending.inbox is not None:
            message = self.pending.inbox.take()
            if message is not None:
                return decode_message(self.method, message)
        if self.pending.error is not None:
            raise self.pending.error.with_traceback(None)
        if self.pending.response is None or self._taken:
            return None
        return self._take_response(self.pending.response)

    def _take_response(self, response: bytes) -> Any:
        if self.pending is not None and self.pending.inbox is not None:
            # A server should end a stream with a close frame. One that ends it with a Response
            # may have put a last message into it, as Go's client expects.
            payload, error = self._status(response)
            if error is not None:
                raise error.with_traceback(None)
            if not payload:
                return None
            self._taken = True
            return decode_message(self.method, payload)
        message = decode_reply(self.method, response)
        self._taken = True
        return message

    def _status(self, response: bytes) -> tuple[bytes, ToolkitError | None]:
        try:
            return decode_response(response)
        except ValueError as exc:
            path = self.method.path
            return b"", RemoteProtocolError(f"{path}: the Response is malformed: {exc}")
