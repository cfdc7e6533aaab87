"""The handshake of containerd's Streaming service: what goes first each way, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import DeadlineExceeded, MessageError, RemoteProtocolError, RpcError
from toolkit.shim.namespace import NAMESPACE_KEY
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.rpc.context import Context
    from toolkit.schema.method import Method

__all__ = [
    "ACK",
    "STREAMING_SERVICE",
    "STREAM_INIT",
    "Opened",
    "already_open",
    "check_ack",
    "first_message",
    "no_ack",
    "not_open",
    "read_first",
]

STREAMING_SERVICE = "containerd.services.streaming.v1.Streaming"
STREAM_INIT = "containerd.services.streaming.v1.StreamInit"
# What containerd acknowledges with; any message does.
ACK = {"type_url": "google.protobuf.Empty", "value": b""}


class Opened(NamedTuple):
    """Which stream a client has asked for.

    Attributes:
        id: as other calls name it.
        namespace: containerd's, from the metadata of the call; empty where it has none.
    """

    id: str
    namespace: str

    @classmethod
    def named(cls, id: str, context: Context) -> Opened:
        """The stream that a call means by an id."""
        return cls(id, context.metadata.get(NAMESPACE_KEY) or "")

    @property
    def anywhere(self) -> Opened:
        """The same id without a namespace.

        Go's client sends no metadata with a stream (ttrpc client.go, NewStream), but does with the
        calls that name the stream.
        """
        return Opened(self.id, "")


def first_message(method: Method, id: str) -> Any:
    """What a client opens a stream with.

    Raises:
        MessageError: the id is empty, or no text.
    """
    if not id:
        raise MessageError(STREAM_INIT, "id", "empty; want a name that no other stream has")
    # containerd wants the bare name: it refuses a type URL with a slash.
    return method.service.schema.pack(STREAM_INIT, {"id": id})


def check_ack(id: str, message: Any) -> None:
    """See whether the first message from the server is one.

    Raises:
        RemoteProtocolError: the stream has ended.
    """
    if message is None:
        raise RemoteProtocolError(
            f"the server ended stream {id!r} without the message that says it is open"
        )


def no_ack(id: str, seconds: float) -> DeadlineExceeded:
    """The error for a server that does not answer."""
    return DeadlineExceeded(
        f"the server did not say within {seconds:g} s that stream {id!r} is open"
    )


def read_first(message: Any, context: Context) -> Opened:
    """Which stream a client asks for; ``message`` is its first one, None without one.

    Raises:
        RpcError: INVALID_ARGUMENT, it is no StreamInit.
    """
    if message is None:
        raise _wrong("the client ended the stream before it sent one message")
    name = message.type_url.rpartition("/")[2]
    if name != STREAM_INIT:
        raise _wrong(f"the first message is {name or 'of no type'}")
    try:
        init = context.method.service.schema.unpack(message)
    except MessageError as exc:
        raise _wrong(str(exc)) from exc
    if not init.id:
        raise _wrong("its id is empty")
    return Opened.named(init.id, context)


def _wrong(found: str) -> RpcError:
    return RpcError(Code.INVALID_ARGUMENT, f"{found}; a stream begins with a {STREAM_INIT}")


def already_open(opened: Opened) -> RpcError:
    """The error for an id that is taken."""
    return RpcError(Code.ALREADY_EXISTS, f"stream {_place(opened)} already exists")


def not_open(opened: Opened) -> RpcError:
    """The error for an id that no stream has."""
    return RpcError(Code.NOT_FOUND, f"there is no stream {_place(opened)}")


def _place(opened: Opened) -> str:
    return (
        f"{opened.id!r} in namespace {opened.namespace!r}" if opened.namespace else repr(opened.id)
    )
