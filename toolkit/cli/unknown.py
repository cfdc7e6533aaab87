"""The fields of a reply that its schema does not know: data that JSON cannot show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema

__all__ = ["unknown_fields"]

_WIRE_TYPES = {0: "varint", 1: "64-bit", 2: "length-delimited", 3: "group", 5: "32-bit"}


def unknown_fields(message: Message, schema: Schema) -> Iterator[str]:
    """One line for each unknown field, where it is found first; Anys are looked into."""
    seen: dict[str, None] = {}
    for field in schema.unknown_fields(message):
        where = f" at {field.path}" if field.path else ""
        kind = _WIRE_TYPES.get(field.wire_type, f"wire type {field.wire_type}")
        seen[f"{field.message} has no field {field.number} ({kind}){where}: not shown"] = None
    yield from seen
