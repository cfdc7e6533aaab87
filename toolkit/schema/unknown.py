"""Fields that came over the wire and that the schema does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet

from toolkit.errors import SchemaError
from toolkit.schema.anys import holds_json, message_name, unpack
from toolkit.schema.building import child, map_entry
from toolkit.schema.jsonout import MAX_ANY_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import FieldDescriptor
    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema

__all__ = ["UnknownField", "unknown_fields"]


class UnknownField(NamedTuple):
    """One field that the schema does not know.

    Attributes:
        path: the message that has it, from the outermost down; empty for that one itself.
        message: the full name of the message that has it.
        number: its field number.
        wire_type: 0 varint, 1 64 bits, 2 bytes, 3 group, 5 32 bits.
        value: an int or bytes; of a group, protobuf's own set of its fields.
    """

    path: str
    message: str
    number: int
    wire_type: int
    value: Any


def unknown_fields(schema: Schema, message: Message) -> list[UnknownField]:
    """Every unknown field of a message, of those in it and of those in its Anys, if known."""
    return list(_walk(schema, message, "", 0))


def _walk(schema: Schema, message: Any, path: str, depth: int) -> Iterator[UnknownField]:
    name = message.DESCRIPTOR.full_name
    unknown = UnknownFieldSet(message)
    for index in range(len(unknown)):
        one = unknown[index]
        yield UnknownField(path, name, one.field_number, one.wire_type, one.data)
    if name == "google.protobuf.Any":
        yield from _walk_packed(schema, message, path, depth)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for place, inner in _messages(field, value, child(path, field.name)):
                yield from _walk(schema, inner, place, depth + 1)


def _walk_packed(schema: Schema, packed: Any, path: str, depth: int) -> Iterator[UnknownField]:
    name = message_name(packed.type_url)
    if holds_json(packed.type_url) or depth > MAX_ANY_DEPTH or schema.lookup(name) is None:
        return
    try:
        inner = unpack(schema, packed)
    except SchemaError:
        return
    yield from _walk(schema, inner, path, depth + 1)


def _messages(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    entry = map_entry(field)
    if entry is not None:
        if entry.value.message_type is not None:
            for key in value:
                yield f"{path}[{key!r}]", value[key]
    elif field.is_repeated:
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    else:
        yield path, value
