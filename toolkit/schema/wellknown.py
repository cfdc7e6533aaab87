"""The well-known types: the shape that they have to have, and the runtime's own files of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["WRAPPERS", "check_shapes", "runtime_file", "runtime_file_of"]

BOOL, BYTES, ENUM = FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_ENUM
DOUBLE, FLOAT = FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT
INT32, INT64 = FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64
UINT32, UINT64 = FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64
MESSAGE, STRING = FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING


class _Shape(NamedTuple):
    file: str
    fields: dict[str, int]  # name to type
    repeated: bool = False  # all of them or none


_SHAPES = {
    "Any": _Shape("any", {"type_url": STRING, "value": BYTES}),
    "BoolValue": _Shape("wrappers", {"value": BOOL}),
    "BytesValue": _Shape("wrappers", {"value": BYTES}),
    "DoubleValue": _Shape("wrappers", {"value": DOUBLE}),
    "Duration": _Shape("duration", {"seconds": INT64, "nanos": INT32}),
    "Empty": _Shape("empty", {}),
    "FieldMask": _Shape("field_mask", {"paths": STRING}, repeated=True),
    "FloatValue": _Shape("wrappers", {"value": FLOAT}),
    "Int32Value": _Shape("wrappers", {"value": INT32}),
    "Int64Value": _Shape("wrappers", {"value": INT64}),
    "ListValue": _Shape("struct", {"values": MESSAGE}, repeated=True),
    "StringValue": _Shape("wrappers", {"value": STRING}),
    "Struct": _Shape("struct", {"fields": MESSAGE}, repeated=True),
    "Timestamp": _Shape("timestamp", {"seconds": INT64, "nanos": INT32}),
    "UInt32Value": _Shape("wrappers", {"value": UINT32}),
    "UInt64Value": _Shape("wrappers", {"value": UINT64}),
    "Value": _Shape(
        "struct",
        {
            "null_value": ENUM,
            "number_value": DOUBLE,
            "string_value": STRING,
            "bool_value": BOOL,
            "struct_value": MESSAGE,
            "list_value": MESSAGE,
        },
    ),
}
_PREFIX = "google.protobuf."

WRAPPERS = frozenset(_PREFIX + name for name in _SHAPES if _SHAPES[name].file == "wrappers")

# Files that declare no well-known type, but that a set may be made without all the same.
_MORE_FILES = ("api", "descriptor", "source_context", "type")
_FILES = {shape.file for shape in _SHAPES.values()} | {*_MORE_FILES}


def runtime_file(name: str) -> bytes | None:
    """The protobuf runtime's own copy of a ``google/protobuf`` file; None when it has none."""
    stem = name.removeprefix("google/protobuf/").removesuffix(".proto")
    if stem not in _FILES or name != f"google/protobuf/{stem}.proto":
        return None
    # Imported only now: a set that protoc made brings its own copies.
    data: bytes = import_module(f"google.protobuf.{stem}_pb2").DESCRIPTOR.serialized_pb
    return data


def runtime_file_of(message: str) -> bytes | None:
    """The runtime's file that declares a well-known type; None for any other message."""
    shape = _SHAPES.get(message.removeprefix(_PREFIX)) if message.startswith(_PREFIX) else None
    return None if shape is None else runtime_file(f"google/protobuf/{shape.file}.proto")


def check_shapes(pool: DescriptorPool) -> None:
    """Refuse a pool whose well-known types are other ones: protobuf gives them methods by name.

    Raises:
        SchemaError: one lacks its fields.
    """
    for name, shape in _SHAPES.items():
        try:
            found = pool.FindMessageTypeByName(_PREFIX + name)
        except KeyError:
            continue
        wanted = {(field, kind, shape.repeated) for field, kind in shape.fields.items()}
        has = {(field.name, field.type, field.is_repeated) for field in found.fields}
        if not wanted <= has:
            raise SchemaError(f"its {_PREFIX}{name} has not the fields of the well-known type")
