"""Messages to JSON text and back: protobuf's JSON, with Anys as containerd writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from toolkit.errors import MessageError
from toolkit.schema.jsonin import Reader
from toolkit.schema.jsonout import Printer

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema

__all__ = ["from_json", "from_value", "to_json", "to_value"]


def to_json(
    schema: Schema,
    message: Message,
    *,
    indent: int | None = 2,
    defaults: bool = False,
    proto_names: bool = False,
) -> str:
    """The message as JSON text; see ``Schema.to_json``."""
    value = to_value(schema, message, defaults=defaults, proto_names=proto_names)
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # an OCI type's JSON may escape half a surrogate pair
        return json.dumps(value, indent=indent)
    return text


def to_value(
    schema: Schema, message: Message, *, defaults: bool = False, proto_names: bool = False
) -> Any:
    """The message as what ``json.dumps`` takes: fields in the order of their declaration."""
    return Printer(schema, defaults=defaults, proto_names=proto_names).value(message)


def from_json(schema: Schema, cls: type[Any], text: str | bytes) -> Any:
    """The message of this class that JSON text describes; see ``Schema.from_json``."""
    name = cls.DESCRIPTOR.full_name
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except _DoubleKey as exc:
        raise MessageError(
            name, "", f"one object has the key {json.dumps(exc.key)} twice"
        ) from None
    except ValueError as exc:
        raise MessageError(name, "", f"not JSON: {exc}") from exc
    except RecursionError:
        raise MessageError(name, "", "the JSON nests too deep") from None
    return from_value(schema, cls, value)


def from_value(schema: Schema, cls: type[Any], value: Any) -> Any:
    """The message of this class that a decoded JSON value describes.

    Raises:
        MessageError: it does not fit; ``path`` says which field.
    """
    try:
        return Reader(schema, cls).read(value)
    except RecursionError:
        raise MessageError(cls.DESCRIPTOR.full_name, "", "the JSON nests too deep") from None


class _DoubleKey(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DoubleKey(next(key for key in keys if keys.count(key) > 1))
    return found
