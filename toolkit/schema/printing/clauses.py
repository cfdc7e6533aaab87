"""The small parts that declarations are made of: options, ranges, defaults, names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from toolkit.schema.printing.layout import WIDTH
from toolkit.schema.printing.optiontext import Option, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto

    from toolkit.schema.printing.comments import Path

__all__ = [
    "INT32_MAX",
    "Place",
    "declared_type",
    "declared_types",
    "ended",
    "field_settings",
    "in_oneof",
    "is_group",
    "span",
    "with_options",
]

INT32_MAX = 2147483647  # the largest number of an enum
_FIELD_MAX = 536870911  # the largest number of a field; a message set goes on to INT32_MAX


class Place(NamedTuple):
    """Where declarations stand: the full name of what holds them, and its path in the file."""

    scope: str
    path: Path

    def name(self, name: str) -> str:
        """The full name of something declared here."""
        return f"{self.scope}.{name}" if self.scope else name

    def within(self, name: str, *path: int) -> Place:
        """Inside the declaration of this name and path."""
        return Place(self.name(name), (*self.path, *path))


def ended(lines: Sequence[str]) -> list[str]:
    """The lines of a statement with its semicolon."""
    return [*lines[:-1], f"{lines[-1]};"]


def with_options(text: str, options: Sequence[Option], at: Place) -> list[str]:
    """Options in brackets behind a declaration, one a line where one line would be too long."""
    if not options:
        return [text]
    if all(len(option.value) == 1 for option in options):
        listed = ", ".join(f"{option.name} = {option.value[0]}" for option in options)
        indent = len(at.path) // 2 * 2
        if indent + len(text) + len(listed) + len(" [];") <= WIDTH:
            return [f"{text} [{listed}]"]
    lines: list[str] = []
    for option in options:
        first, *rest = option.value
        lines += [f"  {option.name} = {first}", *(f"  {line}" for line in rest)]
        lines[-1] += ","
    lines[-1] = lines[-1].removesuffix(",")
    return [f"{text} [", *lines, "]"]


def field_settings(field: FieldDescriptorProto) -> list[Option]:
    """What stands among a field's options without being one: its default and its JSON name."""
    settings = []
    if field.HasField("default_value"):
        settings.append(Option("default", [_default(field)]))
    if field.json_name and not field.extendee and field.json_name != _json_name(field.name):
        settings.append(Option("json_name", [quote(field.json_name)]))
    return settings


def span(start: int, end: int, largest: int = _FIELD_MAX) -> str:
    """A range of numbers, both ends included."""
    if start == end:
        return str(start)
    return f"{start} to {'max' if end >= largest else end}"


def declared_type(
    field: FieldDescriptorProto, types: Sequence[DescriptorProto], around: Place
) -> int | None:
    """The index, among the messages declared beside a field, of its map entry or group."""
    for index, message in enumerate(types):
        if field.type_name == f".{around.name(message.name)}":
            return index if message.options.map_entry or is_group(field) else None
    return None


def declared_types(
    fields: Iterable[FieldDescriptorProto], types: Sequence[DescriptorProto], around: Place
) -> list[str]:
    """The names of all the messages that some fields declare."""
    indexes = (declared_type(field, types, around) for field in fields)
    return [types[index].name for index in indexes if index is not None]


def is_group(field: FieldDescriptorProto) -> bool:
    """Whether the field is a proto2 group, whose message is declared with it."""
    return field.type == FieldDescriptorProto.TYPE_GROUP


def in_oneof(field: FieldDescriptorProto, index: int) -> bool:
    """Whether the field belongs to this oneof of its message."""
    return field.HasField("oneof_index") and field.oneof_index == index


def _default(field: FieldDescriptorProto) -> str:
    match field.type:
        case FieldDescriptorProto.TYPE_STRING:
            return quote(field.default_value)
        case FieldDescriptorProto.TYPE_BYTES:  # escaped already
            return f'"{field.default_value}"'
        case _:
            return field.default_value


def _json_name(name: str) -> str:
    """The name in JSON that protoc gives to a field."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)
