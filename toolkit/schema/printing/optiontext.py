"""Options and literal values as ``.proto`` text."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from toolkit.schema.printing.typenames import TypeNames

__all__ = ["Option", "OptionReader", "float_text", "quote"]

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_MESSAGES = (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_GROUP)


class Option(NamedTuple):
    """One setting: the name as it is written, and the lines of its value."""

    name: str
    value: list[str]


class OptionReader:
    """Reads options with the extensions that one pool knows.

    A descriptor's own options are of the default pool's classes, to which a custom option is an
    unknown field; parsed again with the private pool's class it has a name and a type.
    """

    def __init__(
        self,
        pool: DescriptorPool,
        names: TypeNames,
        visible: Collection[str] | None = None,
    ) -> None:
        """Read options for printing.

        Args:
            pool: knows the extensions.
            names: writes their names.
            visible: the files whose extensions may be named; all of the pool's if not given.
        """
        self._pool = pool
        self._names = names
        self._visible = visible

    def read(self, options: Message, scope: str) -> list[Option]:
        """Every option that is set, standard ones first, then custom ones, each kind by number.

        A custom option that no file of the pool declares has no name to be written by; nor has
        one of a file that may not be named here: programs in Go carry options without the import.
        """
        return list(self._settings(self._fields(options), scope, prefix=""))

    def _fields(self, options: Message) -> list[tuple[FieldDescriptor, Any]]:
        fields = {field.number: (field, value) for field, value in options.ListFields()}
        twin = self._twin(options)
        if twin is not None:
            fields.update({field.number: (field, value) for field, value in twin.ListFields()})
        return sorted(fields.values(), key=lambda item: (item[0].is_extension, item[0].number))

    def _twin(self, options: Message) -> Message | None:
        try:
            descriptor = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:  # nothing imports descriptor.proto, so there are no custom options
            return None
        twin = GetMessageClass(descriptor)()
        twin.MergeFromString(options.SerializeToString())
        return twin

    def _settings(
        self, fields: Sequence[tuple[FieldDescriptor, Any]], scope: str, *, prefix: str
    ) -> Iterator[Option]:
        for field, value in fields:
            if field.is_extension and not self._is_visible(field):
                continue
            name = prefix + self._name(field, scope)
            if _is_features(field):
                # One option for each feature, as everybody writes them.
                yield from self._settings(value.ListFields(), scope, prefix=f"{name}.")
            else:
                for one in value if field.is_repeated else (value,):
                    yield Option(name, _value(field, one))

    def _is_visible(self, field: FieldDescriptor) -> bool:
        return self._visible is None or field.file.name in self._visible  # type: ignore[attr-defined]  # the stubs lack it

    def _name(self, field: FieldDescriptor, scope: str) -> str:
        if not field.is_extension:
            return field.name
        return f"({self._names.extension_name(field.full_name, scope=scope)})"


def quote(text: str) -> str:
    """A string literal; what is printable stays as it is."""
    return '"' + "".join(map(_escape, text)) + '"'


def float_text(value: float, *, single: bool) -> str:
    """The shortest decimal that reads back as the same number, or ``inf``, ``-inf``, ``nan``."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if single:
        for digits in range(6, 10):
            text = f"{value:.{digits}g}"
            if _as_single(float(text)) == _as_single(value):
                return text
    text = repr(value)
    return text.removesuffix(".0")


def _as_single(value: float) -> bytes:
    return struct.pack("<f", value)


def _escape(character: str) -> str:
    known = _ESCAPES.get(character)
    if known is not None:
        return known
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogatepass"))


def _quote_bytes(data: bytes) -> str:
    escaped = (
        _escape(chr(byte)) if 0x20 <= byte < 0x7F or byte in b"\n\r\t" else f"\\{byte:03o}"
        for byte in data
    )
    return '"' + "".join(escaped) + '"'


def _value(field: FieldDescriptor, value: Any) -> list[str]:
    if field.type in _MESSAGES:
        lines = [f"  {line}" for line in _aggregate(value)]
        return ["{", *lines, "}"] if lines else ["{}"]
    return [_scalar(field, value)]


def _scalar(field: FieldDescriptor, value: Any) -> str:
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return "true" if value else "false"
        case FieldDescriptor.TYPE_STRING:
            return quote(value)
        case FieldDescriptor.TYPE_BYTES:
            return _quote_bytes(value)
        case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
            return float_text(value, single=field.type == FieldDescriptor.TYPE_FLOAT)
        case FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            named = field.enum_type.values_by_number.get(value)
            return str(value) if named is None else str(named.name)
        case _:
            return str(value)


def _aggregate(message: Message) -> Iterator[str]:
    """The fields of a message-valued option, in text format, one a line."""
    for field, value in message.ListFields():
        entries: Any = (value,)
        if field.is_repeated:
            entries = _map_entries(field, value) if _is_map(field) else value
        for entry in entries:
            first, *rest = _value(field, entry)
            colon = "" if field.type in _MESSAGES else ":"
            yield f"{_text_name(field)}{colon} {first}"
            yield from rest


def _text_name(field: FieldDescriptor) -> str:
    if field.is_extension:
        return f"[{field.full_name}]"
    if field.type == FieldDescriptor.TYPE_GROUP and field.message_type is not None:
        return str(field.message_type.name)
    return str(field.name)


def _is_features(field: FieldDescriptor) -> bool:
    """Whether it is an edition's ``features``, or a language's own features inside them."""
    message, extended = field.message_type, field.containing_type
    if message is None:
        return False
    inside = field.is_extension and extended is not None and extended.name == "FeatureSet"
    return inside or message.full_name == "google.protobuf.FeatureSet"


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _map_entries(field: FieldDescriptor, values: Any) -> Iterator[Message]:
    assert field.message_type is not None
    entry_class: Any = GetMessageClass(field.message_type)
    for key in sorted(values):
        entry = entry_class(key=key)
        if hasattr(values[key], "CopyFrom"):
            entry.value.CopyFrom(values[key])
        else:
            entry.value = values[key]
        yield entry
