"""The fields of a reply that its schema does not know: data that JSON cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.pool import Schema

__all__ = ["unknown_fields"]

_WIRE_TYPES = {0: "varint", 1: "64-bit", 2: "length-delimited", 3: "group", 5: "32-bit"}


def unknown_fields(message: Message, schema: Schema) -> Iterator[str]:
    """One line for each unknown field, where it is found first; Anys are looked into."""
    seen: dict[str, None] = {}
    for path, holder, number, wire_type in _walk(message, schema, ""):
        where = f" at {path}" if path else ""
        kind = _WIRE_TYPES.get(wire_type, f"wire type {wire_type}")
        seen[f"{holder} has no field {number} ({kind}){where}: not shown"] = None
    yield from seen


def _walk(message: Any, schema: Schema, path: str) -> Iterator[tuple[str, str, int, int]]:
    name = message.DESCRIPTOR.full_name
    for unknown in UnknownFieldSet(message):  # type: ignore[attr-defined]  # it has __getitem__
        yield path, name, unknown.field_number, unknown.wire_type
    if name == "google.protobuf.Any":
        yield from _walk_any(message, schema, path)
        return
    for field, value in message.ListFields():
        if field.type in {FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP}:
            inner = f"{path}.{field.name}" if path else field.name
            for index, part in _parts(field, value):
                yield from _walk(part, schema, f"{inner}{index}")


def _walk_any(message: Any, schema: Schema, path: str) -> Iterator[tuple[str, str, int, int]]:
    try:
        inside = schema.unpack(message)
    except SchemaError:
        return  # the JSON shows it as @error and @value
    if isinstance(inside, Message):
        yield from _walk(inside, schema, path)


def _parts(field: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """The messages that a message field holds, each with its index."""
    entry = field.message_type
    if entry.GetOptions().map_entry:
        if entry.fields_by_name["value"].message_type is not None:
            yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif field.is_repeated:
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    else:
        yield "", value
