"""The Request and Response messages around a payload, as bytes.

Encoded by hand: the envelope is on the path of every call, its seven fields have not changed
since TTRPC 1.0, and this way neither end needs a descriptor pool for it.

    Request  { string service=1; string method=2; bytes payload=3; int64 timeout_nano=4;
               repeated KeyValue metadata=5; }
    Response { google.rpc.Status status=1; bytes payload=2; }
    KeyValue { string key=1; string value=2; }
    Status   { int32 code=1; string message=2; repeated google.protobuf.Any details=3; }
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import DeadlineExceeded, RawAny, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "OK_EMPTY",
    "Request",
    "decode_request",
    "decode_response",
    "encode_metadata",
    "encode_request",
    "encode_response",
    "encode_status",
    "error_of",
    "request_prefix",
]

_PAYLOAD = 3 << 3 | 2  # the tag of Request.payload
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_NONE: dict[bytes, tuple[str, str]] = {}

OK_EMPTY = b""  # a Response without status and with an empty payload: Go's form of success


class Request(NamedTuple):
    """A decoded Request; ``metadata`` in the order of the wire."""

    service: str
    method: str
    payload: bytes
    timeout_nano: int
    metadata: tuple[tuple[str, str], ...]


def request_prefix(service: str, method: str) -> bytes:
    """The part of a Request that is the same for every call of a method."""
    return _field(1, service.encode()) + _field(2, method.encode())


def encode_metadata(pairs: Iterable[tuple[str, str]]) -> bytes:
    """The metadata part of a Request."""
    return b"".join(
        _repeated(5, _field(1, key.encode()) + _field(2, value.encode())) for key, value in pairs
    )


def encode_request(
    prefix: bytes, payload: bytes, timeout_nano: int = 0, metadata: bytes = b""
) -> bytes:
    """A whole Request; a timeout of 0 is none."""
    size = len(payload)
    length = bytes((size,)) if size < 128 else _varint(size)
    request = b"%b\x1a%b%b" % (prefix, length, payload) if size else prefix
    if timeout_nano:
        request += b"\x20" + _varint(timeout_nano)
    return request + metadata if metadata else request


def decode_request(data: bytes, prefixes: Mapping[bytes, tuple[str, str]] = _NONE) -> Request:
    """A Request as it came.

    ``prefixes``: what ``request_prefix`` gives for the methods that are likely, and their names.
    Taking those apart field by field is a third of what a small call costs a server.

    Raises:
        ValueError: the bytes are no Request.
    """
    service = method = ""
    payload = b""
    timeout_nano = 0
    metadata: list[tuple[str, str]] = []
    try:
        first = data[1] + 4  # where the method begins, if both are there and shorter than 128 bytes
        start = first + data[first - 1]
    except IndexError:
        start = 0
    names = prefixes.get(data[:start])  # where they are not, no prefix looks like this
    if names is None:
        start = 0
    else:
        service, method = names
        size = len(data) - start - 2
        if 0 < size < 128 and data[start + 1] == size and data[start] == _PAYLOAD:
            return Request(service, method, data[start + 2 :], 0, ())  # and nothing after it
    for number, value in _fields(data, start):
        if number == 1:
            service = _bytes(value).decode()
        elif number == 2:
            method = _bytes(value).decode()
        elif number == 3:
            payload = _bytes(value)
        elif number == 4:
            timeout_nano = _int64(value)
        elif number == 5:
            metadata.append(_key_value(_bytes(value)))
    return Request(service, method, payload, timeout_nano, tuple(metadata))


def encode_response(payload: bytes) -> bytes:
    """A Response that says OK."""
    size = len(payload)
    if not size:
        return OK_EMPTY
    return b"\x12%b%b" % (bytes((size,)) if size < 128 else _varint(size), payload)


def encode_status(error: RpcError) -> bytes:
    """A Response that says why the call failed."""
    status = b"\x08" + _varint(error.code) + _field(2, error.message.encode(errors="replace"))
    for detail in error.details:
        body = _field(1, detail.type_url.encode()) + _field(2, detail.value)
        status += _repeated(3, body)
    return _field(1, status)


def decode_response(data: bytes) -> tuple[bytes, RpcError | None]:
    """The payload of a Response, or why the call failed.

    Success is a Response without a status (Go) or with an empty one (Rust).

    Raises:
        ValueError: the bytes are no Response.
    """
    # A payload and nothing else, the whole of what Go sends for success.
    if len(data) > 1 and data[0] == 0x12 and data[1] < 128 and len(data) == 2 + data[1]:
        return data[2:], None
    payload = b""
    error = None
    for number, value in _fields(data):
        if number == 1:
            error = _decode_status(_bytes(value))
        elif number == 2:
            payload = _bytes(value)
    return payload, error


def error_of(code: int, message: str, details: Iterable[RawAny] = ()) -> RpcError:
    """The exception for a status that a peer sent."""
    if code == Code.DEADLINE_EXCEEDED:
        return DeadlineExceeded(message, tuple(details), by_peer=True)
    return RpcError(code, message, tuple(details))


def _decode_status(data: bytes) -> RpcError | None:
    code, message = 0, ""
    details: list[RawAny] = []
    for number, value in _fields(data):
        if number == 1:
            code = _int64(value)
        elif number == 2:
            # Go does not check that the text is UTF-8; the status must not get lost over it.
            message = _bytes(value).decode(errors="replace")
        elif number == 3:
            details.append(_any(_bytes(value)))
    return error_of(code, message, details) if code else None


def _key_value(data: bytes) -> tuple[str, str]:
    key = value = ""
    for number, content in _fields(data):
        if number == 1:
            key = _bytes(content).decode()
        elif number == 2:
            value = _bytes(content).decode()
    return key, value


def _any(data: bytes) -> RawAny:
    type_url, value = "", b""
    for number, content in _fields(data):
        if number == 1:
            type_url = _bytes(content).decode(errors="replace")
        elif number == 2:
            value = _bytes(content)
    return RawAny(type_url, value)


def _field(number: int, value: bytes) -> bytes:
    return _repeated(number, value) if value else b""


def _repeated(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | _BYTES,)) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative number is its two's complement, ten bytes long
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes, position: int = 0) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values; fixed-width and unknown fields are checked and passed over."""
    end = len(data)
    while position < end:
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _BYTES:
            size, position = _read_varint(data, position)
            if size > end - position:
                raise ValueError(f"field {number} has {size} bytes, {end - position} are left")
            yield number, data[position : position + size]
            position += size
        elif wire_type == _VARINT:
            value, position = _read_varint(data, position)
            yield number, value
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
            if position > end:
                raise ValueError(f"field {number} ends after the message")
        else:
            raise ValueError(f"field {number} has wire type {wire_type}")
        if number == 0:
            raise ValueError("field number 0")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    try:
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, position
            shift += 7
            if shift > 63:
                raise ValueError("a varint of more than ten bytes")
    except IndexError:
        raise ValueError("the message ends in the middle of a varint") from None


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where bytes are wanted")  # it is about wire data
    return value


def _int64(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("bytes where a number is wanted")  # it is about wire data
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
