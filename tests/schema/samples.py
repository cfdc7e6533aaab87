"""Messages with values in their fields, for what holds of every message."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from toolkit.schema.building import map_entry

if TYPE_CHECKING:
    import random

    from toolkit.schema.pool import Schema

__all__ = ["filled"]

TEXTS = ("", "web", "a b", 'quote " backslash \\', "é\u2028\U0001f600", "\x00\x7f")
BYTES = (b"", b"\x00", b"\xff\xfe\xfd", b"hello, world", bytes(range(256)))
FLOATS = (0.0, -0.0, 1.0, 0.1, -1.5e-9, 1.7014118e38, 1e-45, math.inf, -math.inf, math.nan)
INTEGERS = {
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
}
MAX_DEPTH = 4


def filled(schema: Schema, cls: type[Any], rng: random.Random, depth: int = 0) -> Any:
    """A message with values in most of its fields."""
    message = cls()
    own = OWN.get(cls.DESCRIPTOR.full_name)
    if own is not None:
        own(schema, message, rng, depth)
        return message
    for field in cls.DESCRIPTOR.fields:
        if rng.random() < 0.8 and not (field.message_type is not None and depth >= MAX_DEPTH):
            fill(schema, message, field, rng, depth)
    return message


def fill(
    schema: Schema, message: Any, field: FieldDescriptor, rng: random.Random, depth: int
) -> None:
    held = getattr(message, field.name)
    entry = map_entry(field)
    if entry is not None:
        for _ in range(rng.randint(0, 2)):
            key = scalar(entry.key, rng)
            if entry.value.message_type is not None:
                held[key].CopyFrom(filled(schema, type(held[key]), rng, depth + 1))
            else:
                held[key] = scalar(entry.value, rng)
    elif field.is_repeated:
        for _ in range(rng.randint(0, 2)):
            if field.message_type is not None:
                element = held.add()
                element.CopyFrom(filled(schema, type(element), rng, depth + 1))
            else:
                held.append(scalar(field, rng))
    elif field.message_type is not None:
        held.SetInParent()
        held.CopyFrom(filled(schema, type(held), rng, depth + 1))
    else:
        setattr(message, field.name, scalar(field, rng))


def scalar(field: FieldDescriptor, rng: random.Random) -> Any:
    kind = field.type
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return rng.choice([low, high, 0, 1, rng.randint(low, high)])
    if field.enum_type is not None:
        return rng.choice([value.number for value in field.enum_type.values])
    if kind == FieldDescriptor.TYPE_FLOAT:
        return struct.unpack("<f", struct.pack("<f", rng.choice(FLOATS)))[0]
    if kind == FieldDescriptor.TYPE_DOUBLE:
        return rng.choice(FLOATS)
    if kind == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    return rng.choice(BYTES if kind == FieldDescriptor.TYPE_BYTES else TEXTS)


def fill_any(schema: Schema, message: Any, rng: random.Random, depth: int) -> None:
    kind = rng.randrange(4) if depth < MAX_DEPTH else 2
    if kind == 0:
        names = sorted(name for name in ANY_TYPES if schema.lookup(name) is not None)
        packed = filled(schema, schema.resolve(rng.choice(names)), rng, depth + 1)
        message.type_url = rng.choice(["", "type.googleapis.com/"]) + packed.DESCRIPTOR.full_name
        message.value = packed.SerializePartialToString(deterministic=True)
    elif kind == 1:
        message.type_url = "types.containerd.io/opencontainers/runtime-spec/1/Process"
        message.value = '{"args":["a","é"],"terminal":true}'.encode()
    elif kind == 2:
        message.type_url, message.value = "no.such.Type", rng.choice(BYTES)


def fill_time(_: Schema, message: Any, rng: random.Random, __: int) -> None:
    message.seconds = rng.choice([0, 1_700_000_000, -62135596800, 253402300799, 2**62])
    message.nanos = rng.choice([0, 500_000_000, 1])


def fill_duration(_: Schema, message: Any, rng: random.Random, __: int) -> None:
    message.seconds = rng.choice([0, 1, 315_576_000_000, 2**62])
    message.nanos = rng.choice([0, 500_000_000, 1])


def fill_mask(_: Schema, message: Any, rng: random.Random, __: int) -> None:
    message.paths.extend(rng.choice(["a", "a_b.c", "Odd"]) for _ in range(rng.randint(0, 2)))


def fill_value(schema: Schema, message: Any, rng: random.Random, depth: int) -> None:
    kinds = ["null_value", "number_value", "string_value", "bool_value"]
    kind = rng.choice(kinds if depth >= MAX_DEPTH else [*kinds, "struct_value", "list_value"])
    if kind.endswith(("struct_value", "list_value")):
        held = getattr(message, kind)
        held.SetInParent()
        held.CopyFrom(filled(schema, type(held), rng, depth + 1))
    else:
        values = {"null_value": 0, "number_value": 1.5, "string_value": "x", "bool_value": True}
        setattr(message, kind, values[kind])


OWN = {
    "google.protobuf.Any": fill_any,
    "google.protobuf.Duration": fill_duration,
    "google.protobuf.FieldMask": fill_mask,
    "google.protobuf.Timestamp": fill_time,
    "google.protobuf.Value": fill_value,
}
ANY_TYPES = (
    "containerd.runc.v1.Options",
    "google.protobuf.Any",
    "google.protobuf.Int64Value",
    "google.protobuf.Struct",
    "google.protobuf.Timestamp",
    "io.containerd.cgroups.v1.Metrics",
)
