"""``google.protobuf.Any`` as containerd writes it: bare type names, and JSON for the OCI types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf.message import DecodeError, EncodeError

from toolkit.errors import MessageError
from toolkit.schema.message import as_message

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema

__all__ = [
    "AnyLike",
    "any_class",
    "holds_json",
    "json_bytes",
    "json_value",
    "message_name",
    "pack",
    "unpack",
]

# Go's typeurl packs what is no protobuf message as JSON, under the URL that it was registered with;
# containerd registers the types of the OCI runtime spec so.
JSON_PREFIX = "types.containerd.io/opencontainers/runtime-spec/"


class AnyLike(Protocol):
    """What has the two fields of an Any: a message of whatever pool, or a ``RawAny``."""

    @property
    def type_url(self) -> str: ...

    @property
    def value(self) -> bytes: ...


def holds_json(type_url: str) -> bool:
    """Whether an Any of this type URL holds JSON text and no message."""
    return type_url.startswith(JSON_PREFIX)


def message_name(type_url: str) -> str:
    """The full name in a type URL, which containerd writes without any slash."""
    return type_url.rpartition("/")[2]


def pack(schema: Schema, message: Any, values: Any) -> Any:
    """An Any of the schema's pool; see ``Schema.pack``."""
    if not isinstance(message, str):
        url, packed = message.DESCRIPTOR.full_name, message
    elif holds_json(message):
        return any_class(schema)(type_url=message, value=json_bytes(message, values))
    else:
        url = message.removeprefix(".")
        packed = as_message(schema.resolve(message_name(url)), values)
    try:
        value = packed.SerializeToString(deterministic=True)
    except EncodeError as exc:
        raise MessageError(packed.DESCRIPTOR.full_name, "", str(exc)) from exc
    return any_class(schema)(type_url=url, value=value)


def any_class(schema: Schema) -> type[Any]:
    """The schema's own class of Any."""
    return schema.message("google.protobuf.Any")


def unpack(schema: Schema, packed: AnyLike) -> Any:
    """The message in an Any, or the JSON value in one that holds JSON.

    Raises:
        SymbolNotFound: neither the schema nor a companion has its type.
        MessageError: its bytes are none of its type.
    """
    if holds_json(packed.type_url):
        return json_value(packed)
    name = message_name(packed.type_url)
    cls = schema.resolve(name)
    try:
        return cls.FromString(packed.value)
    except DecodeError as exc:
        raise MessageError(name, "", f"its {len(packed.value)} bytes are no such message") from exc


def json_value(packed: AnyLike) -> Any:
    """The JSON value in an Any that holds JSON.

    Raises:
        MessageError: it holds something else.
    """
    import json  # 2 ms that calls without OCI types save

    try:
        return json.loads(packed.value, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise MessageError(packed.type_url, "", f"its value is not JSON: {exc}") from exc


def json_bytes(type_url: str, value: object) -> bytes:
    """The JSON text of a value, for an Any that holds JSON.

    Raises:
        MessageError: JSON has no such value.
    """
    import json

    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise MessageError(type_url, "", f"the value is not JSON: {exc}") from exc


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")
