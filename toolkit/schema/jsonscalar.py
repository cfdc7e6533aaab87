"""Scalars in protobuf's JSON mapping: 64 bits are text, bytes are base64, enums are names."""

from __future__ import annotations

import math
import re
import struct
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor

__all__ = ["decode_bytes", "encode_bytes", "finite", "from_scalar", "to_scalar"]

_LONG = frozenset(
    {
        FieldDescriptor.TYPE_FIXED64,
        FieldDescriptor.TYPE_INT64,
        FieldDescriptor.TYPE_SFIXED64,
        FieldDescriptor.TYPE_SINT64,
        FieldDescriptor.TYPE_UINT64,
    }
)
_INTEGERS = _LONG | {
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_UINT32,
}

_INTEGER = r"-?[0-9]{1,20}"  # no 64-bit number is longer
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_URL_SAFE = str.maketrans("-_", "+/")

_FLOAT = struct.Struct("<f")


def to_scalar(field: FieldDescriptor, value: Any) -> Any:
    """The JSON value of a scalar field's value."""
    kind = field.type
    if kind in _LONG:
        return str(value)
    if field.enum_type is not None:
        return _enum_name(field.enum_type, value)
    if kind == FieldDescriptor.TYPE_BYTES:
        return encode_bytes(value)
    if kind == FieldDescriptor.TYPE_FLOAT:
        return finite(_shortest(value))
    return finite(value) if kind == FieldDescriptor.TYPE_DOUBLE else value


def from_scalar(field: FieldDescriptor, item: Any) -> Any:
    """The value for a scalar field, its range not looked at; None when JSON has no such thing."""
    kind = field.type
    if kind in _INTEGERS:
        return _integer(item)
    if field.enum_type is not None:
        return _enum_number(field.enum_type, item)
    if kind in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        number = _number(item)
        return None if number is None or not _fits(kind, number) else number
    if kind == FieldDescriptor.TYPE_BYTES:
        return decode_bytes(item)
    wanted = bool if kind == FieldDescriptor.TYPE_BOOL else str
    return item if isinstance(item, wanted) else None


def encode_bytes(value: bytes) -> str:
    """Bytes as base64."""
    return b2a_base64(value, newline=False).decode()


def decode_bytes(item: Any) -> bytes | None:
    """The bytes of standard or URL-safe base64, padded or not; None for anything else."""
    if not isinstance(item, str):
        return None
    text = item.translate(_URL_SAFE).rstrip("=")
    try:
        return a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except ValueError:
        return None


def finite(number: float) -> float | str:
    """The number, or the text that stands for one that JSON lacks."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _shortest(number: float) -> float:
    """The double with the fewest digits that is the same 32-bit float: 0.1, not 0.10000000149."""
    if not math.isfinite(number):
        return number
    candidates = (float(f"{number:.{digits}g}") for digits in range(6, 9))
    return next((short for short in candidates if _single(short) == number), number)


def _single(number: float) -> float | None:
    """The number in 32 bits; None when it is too large."""
    try:
        rounded: float = _FLOAT.unpack(_FLOAT.pack(number))[0]
    except OverflowError:
        return None
    return rounded


def _fits(kind: int, number: float) -> bool:
    return kind == FieldDescriptor.TYPE_DOUBLE or _single(number) is not None


def _enum_name(enum: EnumDescriptor, number: int) -> str | int | None:
    if enum.full_name == "google.protobuf.NullValue":
        return None
    known = enum.values_by_number.get(number)
    return number if known is None else str(known.name)


def _enum_number(enum: EnumDescriptor, item: Any) -> int | None:
    if item is None and enum.full_name == "google.protobuf.NullValue":
        return 0
    if isinstance(item, str) and item in enum.values_by_name:
        return enum.values_by_name[item].number
    return _integer(item)


def _integer(item: Any) -> int | None:
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if isinstance(item, str) and re.fullmatch(_INTEGER, item):
        return int(item)
    return item if isinstance(item, int) and not isinstance(item, bool) else None


def _number(item: Any) -> float | None:
    if isinstance(item, str):
        if item in _NOT_FINITE:
            return _NOT_FINITE[item]
        if re.fullmatch(_NUMBER, item) is None:
            return None
    elif not isinstance(item, (int, float)) or isinstance(item, bool):
        return None
    try:
        number = float(item)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
