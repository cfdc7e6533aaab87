"""Messages as JSON values, by protobuf's JSON mapping (protobuf.dev, "ProtoJSON format")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import MessageError
from toolkit.schema.anys import holds_json, message_name, unpack
from toolkit.schema.building import json_name, map_entry
from toolkit.schema.jsonscalar import encode_bytes, finite, to_scalar
from toolkit.schema.wellknown import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from toolkit.schema.anys import AnyLike
    from toolkit.schema.pool import Schema

__all__ = ["Printer", "has_own_json"]

_AS_TEXT = ("google.protobuf.Duration", "google.protobuf.FieldMask", "google.protobuf.Timestamp")
_OWN_JSON = WRAPPERS | {
    *_AS_TEXT,
    "google.protobuf.Any",
    "google.protobuf.ListValue",
    "google.protobuf.Struct",
    "google.protobuf.Value",
}

# Messages nest to 100 levels on the wire, but each Any starts anew: without an end a hostile reply
# of 4 MiB is a RecursionError.
MAX_ANY_DEPTH = 50


def has_own_json(name: str) -> bool:
    """Whether JSON shows a message of this name in another form than an object of its fields."""
    return name in _OWN_JSON


class Printer:
    """Turns messages of whatever pool into JSON values; Anys are looked up in one schema."""

    __slots__ = ("_defaults", "_depth", "_proto_names", "_schema")

    def __init__(self, schema: Schema, *, defaults: bool, proto_names: bool) -> None:
        self._schema = schema
        self._defaults = defaults
        self._proto_names = proto_names
        self._depth = 0

    def value(self, message: Any) -> Any:
        """The JSON value of a message."""
        self._depth += 1
        try:
            own = self._own_form(message.DESCRIPTOR.full_name)
            return self._fields(message) if own is None else own(message)
        finally:
            self._depth -= 1

    def _own_form(self, name: str) -> Callable[[Any], Any] | None:
        if not has_own_json(name):
            return None
        if name in _AS_TEXT:
            return self._text
        if name in WRAPPERS:
            return self._wrapper
        return {
            "google.protobuf.Any": self._any,
            "google.protobuf.ListValue": self._list,
            "google.protobuf.Struct": self._struct,
            "google.protobuf.Value": self._dynamic,
        }[name]

    # Plain messages

    def _fields(self, message: Message) -> dict[str, Any]:
        return {
            self._key(field): self._field(field, value) for field, value in self._shown(message)
        }

    def _shown(self, message: Any) -> Iterator[tuple[FieldDescriptor, Any]]:
        """The fields to print in the order of their declaration, extensions behind."""
        present = message.ListFields()
        values = {field.number: value for field, value in present if not field.is_extension}
        for field in message.DESCRIPTOR.fields:
            if field.number in values:
                yield field, values[field.number]
            elif self._defaults and not field.has_presence:
                yield field, getattr(message, field.name)
        for field, value in present:
            if field.is_extension:
                yield field, value

    def _key(self, field: FieldDescriptor) -> str:
        if field.is_extension:
            return f"[{field.full_name}]"
        return str(field.name if self._proto_names else json_name(field))

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        entry = map_entry(field)
        if entry is not None:
            # protobuf keeps no order in a map; equal messages shall print equal.
            return {_map_key(key): self._single(entry.value, value[key]) for key in sorted(value)}
        if field.is_repeated:
            return [self._single(field, item) for item in value]
        return self._single(field, value)

    def _single(self, field: FieldDescriptor, value: Any) -> Any:
        if field.message_type is not None:
            return self.value(value)
        return to_scalar(field, value)

    # Well-known types

    def _text(self, message: Any) -> Any:
        try:
            return message.ToJsonString()
        except (ValueError, OverflowError):  # no such time: what the peer sent, rather than nothing
            return self._fields(message)

    def _wrapper(self, message: Any) -> Any:
        return to_scalar(message.DESCRIPTOR.fields_by_name["value"], message.value)

    def _struct(self, message: Any) -> dict[str, Any]:
        return {key: self.value(message.fields[key]) for key in sorted(message.fields)}

    def _list(self, message: Any) -> list[Any]:
        return [self.value(item) for item in message.values]

    def _dynamic(self, message: Any) -> Any:
        kind = message.WhichOneof("kind")
        if kind is None or kind == "null_value":
            return None
        value = getattr(message, kind)
        if kind in ("struct_value", "list_value"):
            return self.value(value)
        return finite(value) if kind == "number_value" else value

    def _any(self, packed: Any) -> dict[str, Any]:
        url = packed.type_url
        if not url and not packed.value:
            return {}
        try:
            return {"@type": url, **self._packed(packed)}
        except MessageError as exc:
            return {"@type": url, "@error": exc.reason, "@value": encode_bytes(packed.value)}

    def _packed(self, packed: AnyLike) -> dict[str, Any]:
        """What stands beside ``@type``; a ``MessageError`` when the value cannot be read."""
        name = message_name(packed.type_url)
        if self._depth > MAX_ANY_DEPTH:
            raise MessageError(name, "", "nested too deep")
        if holds_json(packed.type_url):
            return {"value": unpack(self._schema, packed)}
        if self._schema.lookup(name) is None:
            raise MessageError(name, "", f"{self._schema.name} has no message {name!r}")
        value = self.value(unpack(self._schema, packed))
        return {"value": value} if has_own_json(name) else value


def _map_key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
