"""Messages out of what callers pass: nothing, a message of any pool, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from toolkit.schema.building import Builder

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

__all__ = ["as_message"]


def as_message(cls: type[Any], value: Message | Mapping[str, Any] | None) -> Any:
    """``value`` as a message of this class: None is the empty message, a mapping its fields.

    Names are the proto names, bytes are bytes, an enum goes by name or number, None leaves a field
    out; messages nest as mappings. A message of the same full name from another schema goes by
    its bytes.

    Raises:
        MessageError: it does not fit; ``path`` says which field.
    """
    if type(value) is cls:
        return value
    if value is None:
        return cls()
    # The constructor takes a fraction of the time of the builder, which knows the paths.
    if isinstance(value, Mapping) and _suits_constructor(cls.DESCRIPTOR, value):
        try:
            return cls(**value)
        except (TypeError, ValueError):
            pass
    return Builder(cls).build(value)


def _suits_constructor(descriptor: Descriptor, value: Mapping[str, Any]) -> bool:
    """Whether the constructor reads a mapping as the builder does, or fails.

    Left alone it takes a string apart to fill a repeated field and bytes for a string, and it uses
    up an iterator before it fails, which leaves nothing for the builder.
    """
    fields = descriptor.fields_by_name
    for name, item in value.items():
        kind = type(item)
        if kind is int or item is None:
            continue
        field = fields.get(name)
        if field is None:
            return False
        if field.is_repeated:
            suits = kind in (list, tuple) and _elements_suit(field, item)
        elif kind is bytes:
            suits = field.type == FieldDescriptor.TYPE_BYTES
        elif kind is dict:
            suits = field.message_type is not None and _suits_constructor(field.message_type, item)
        else:
            suits = True
        if not suits:
            return False
    return True


def _elements_suit(field: FieldDescriptor, items: list[Any] | tuple[Any, ...]) -> bool:
    if field.message_type is None:
        return field.type != FieldDescriptor.TYPE_STRING or bytes not in map(type, items)
    return all(
        _suits_constructor(field.message_type, item) for item in items if isinstance(item, Mapping)
    )
