"""A client's call: from a message to a Request, and from a Response to a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.message import DecodeError

from toolkit.errors import RemoteProtocolError
from toolkit.rpc.deadline import timeout_nano
from toolkit.rpc.envelope import (
    decode_response,
    encode_metadata,
    encode_request,
    request_prefix,
)
from toolkit.rpc.metadata import pairs_of
from toolkit.schema.message import as_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method

__all__ = [
    "CallEncoder",
    "MessageLike",
    "decode_message",
    "decode_reply",
    "encode_message",
    "require_streaming",
    "require_unary",
]

# What can be given as a message; the mapping is of its fields, by their proto names.
MessageLike: TypeAlias = "Message | Mapping[str, Any] | None"


class CallEncoder:
    """Makes Requests; one for each channel, since it keeps what is the same in every call."""

    __slots__ = ("_prefixes",)

    def __init__(self) -> None:
        self._prefixes: dict[Method, bytes] = {}

    def request(
        self,
        method: Method,
        payload: bytes,
        metadata: MetadataLike | None,
        deadline: float | None,
        now: float,
    ) -> bytes:
        """The bytes of a Request.

        Raises:
            DeadlineExceeded: the deadline has passed.
            TypeError: metadata that is not text.
        """
        prefix = self._prefixes.get(method)
        if prefix is None:
            prefix = request_prefix(method.service.name, method.name)
            self._prefixes[method] = prefix
        nano = 0 if deadline is None else timeout_nano(deadline, now)
        encoded = encode_metadata(pairs_of(metadata)) if metadata else b""
        return encode_request(prefix, payload, nano, encoded)


def require_unary(method: Method) -> None:
    """Refuse what ``call`` cannot call.

    Raises:
        TypeError: a streaming method, or no method at all.
    """
    try:
        kind = method.kind
    except AttributeError:
        raise _no_method(method) from None
    if kind.client_streaming or kind.server_streaming:
        raise TypeError(f"{method.path} is a streaming method: use stream()")


def require_streaming(method: Method) -> None:
    """Refuse what ``stream`` cannot call.

    Raises:
        TypeError: a unary method, or no method at all.
    """
    try:
        kind = method.kind
    except AttributeError:
        raise _no_method(method) from None
    if not kind.client_streaming and not kind.server_streaming:
        raise TypeError(f"{method.path} is a unary method: use call()")


def _no_method(given: object) -> TypeError:
    return TypeError(
        f"a call wants a method, not {given!r}: "
        'schema.service("containerd.task.v3.Task")["State"] is one'
    )


def encode_message(message_class: type[Any], message: MessageLike) -> bytes:
    """A message as bytes.

    Raises:
        MessageError: it is no such message, nor a mapping that fits one.
    """
    encoded: bytes = as_message(message_class, message).SerializeToString()
    return encoded


def decode_reply(method: Method, response: bytes) -> Any:
    """The reply in a Response.

    Raises:
        RpcError: the call failed on the server.
        RemoteProtocolError: the bytes are no Response, or no reply of this method.
    """
    try:
        payload, error = decode_response(response)
    except ValueError as exc:
        raise RemoteProtocolError(f"{method.path}: the Response is malformed: {exc}") from exc
    if error is not None:
        raise error
    try:
        return method.reply.FromString(payload)
    except DecodeError as exc:
        raise _undecodable(method, payload, exc) from exc


def decode_message(method: Method, payload: bytes) -> Any:
    """One message that came back.

    Raises:
        RemoteProtocolError: the bytes are no such message.
    """
    try:
        return method.reply.FromString(payload)
    except DecodeError as exc:
        raise _undecodable(method, payload, exc) from exc


def _undecodable(method: Method, payload: bytes, error: Exception) -> RemoteProtocolError:
    name = method.reply.DESCRIPTOR.full_name
    return RemoteProtocolError(f"{method.path}: {len(payload)} bytes that are no {name}: {error}")
