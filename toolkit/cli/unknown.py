"""The fields of a reply that its schema does not know: data that JSON cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from toolkit.schema.history import Span
    from toolkit.schema.pool import Schema
    from toolkit.schema.unknown import UnknownField

__all__ = ["unknown_fields"]

_WIRE_TYPES = {0: "varint", 1: "64-bit", 2: "length-delimited", 3: "group", 5: "32-bit"}


def unknown_fields(message: Message, schema: Schema) -> Iterator[str]:
    """One line for each unknown field, where it is found first; Anys are looked into."""
    seen: dict[str, str] = {}
    for field in schema.unknown_fields(message):
        where = f" at {field.path}" if field.path else ""
        kind = _WIRE_TYPES.get(field.wire_type, f"wire type {field.wire_type}")
        text = f"{field.message} has no field {field.number} ({kind}){where}: not shown"
        if text not in seen:
            seen[text] = _blame(field, schema)
    yield from (text + blame for text, blame in seen.items())


def _blame(field: UnknownField, schema: Schema) -> str:
    """What another vendored line knows the number as; empty when none does."""
    from toolkit.schema.history import field_by_number  # compares all lines of a project

    own = schema.release.project if schema.release is not None else "containerd"
    try:
        known = field_by_number(field.message, field.number, first=own)
    except SchemaError:  # a vendored line that does not compile is none of this reply's matter
        return ""
    return "".join(f"; it is {one.name} {_when(one.span)}" for one in known)


def _when(span: Span) -> str:
    if span.newest:
        return f"since {span.since}"
    return f"in {span.since}" if span.first == span.last else f"from {span.since} to {span.until}"
