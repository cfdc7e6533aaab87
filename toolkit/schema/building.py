"""Messages built field by field, so that a value that does not fit is known by its path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from toolkit.errors import MessageError, RawAny, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.descriptor import Descriptor

__all__ = ["Builder", "child", "copy_into", "json_name", "map_entry", "shortened", "type_name"]

_SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "double",
    FieldDescriptor.TYPE_FLOAT: "float",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_UINT64: "uint64",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_FIXED64: "fixed64",
    FieldDescriptor.TYPE_FIXED32: "fixed32",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_UINT32: "uint32",
    FieldDescriptor.TYPE_SFIXED32: "sfixed32",
    FieldDescriptor.TYPE_SFIXED64: "sfixed64",
    FieldDescriptor.TYPE_SINT32: "sint32",
    FieldDescriptor.TYPE_SINT64: "sint64",
}


def _fill_any(message: Any, value: RawAny) -> None:
    message.type_url, message.value = value


# What stands for a well-known type, and what makes it of that: all but the RawAny as protobuf's
# own constructor does.
_OWN_FORMS: tuple[tuple[str, type | tuple[type, ...], Callable[[Any, Any], None]], ...] = (
    ("google.protobuf.Any", RawAny, _fill_any),
    ("google.protobuf.Duration", timedelta, lambda message, value: message.FromTimedelta(value)),
    ("google.protobuf.ListValue", (list, tuple), lambda message, value: message.extend(value)),
    ("google.protobuf.Struct", Mapping, lambda message, value: message.update(value)),
    ("google.protobuf.Timestamp", datetime, lambda message, value: message.FromDatetime(value)),
)

MAX_LISTED = 12  # names that an error lists; of more it has the nearest only
MAX_SHOWN = 60  # characters of a value that an error quotes


class Builder:
    """Builds one message; its errors carry the path from that message down."""

    __slots__ = ("_cls",)

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls

    def build(self, value: object) -> Any:
        """The message that a mapping, or a message of another pool, stands for."""
        return self._message(self._cls, value, "")

    def error(self, path: str, reason: str, nearest: Sequence[str] = ()) -> MessageError:
        """What does not fit, and where in the message that is being built."""
        name = self._cls.DESCRIPTOR.full_name
        return MessageError(name, _printable(path), _printable(reason), nearest=nearest)

    def unknown_field(
        self, descriptor: Descriptor, path: str, name: object, known: Iterable[str]
    ) -> MessageError:
        """The error for a field that a message does not have, given the names that it has."""
        from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

        names = list(dict.fromkeys(known))
        holder = f" of {descriptor.full_name}" if path else ""  # else the error begins with it
        return self.error(
            child(path, str(name)),
            f"no such field{holder}{_listed('; it has', names)}",
            nearest(str(name), names),
        )

    def wrong_scalar(self, field: FieldDescriptor, path: str, shown: str) -> MessageError:
        """The error for a value that is none of the field's type."""
        if field.enum_type is None:
            return self.error(path, f"got {shown}, wanted {type_name(field)}")
        from toolkit.schema.nearest import nearest

        names = list(field.enum_type.values_by_name)
        reason = f"got {shown}, wanted {type_name(field)}{_listed(':', names)}"
        return self.error(path, reason, nearest(shown.strip("'\""), names))

    def _message(self, cls: type[Any], value: object, path: str) -> Any:
        if type(value) is cls:
            return value
        if isinstance(value, Message):
            return self._from_bytes(cls, value, path)
        name = cls.DESCRIPTOR.full_name
        for known, kind, fill in _OWN_FORMS:
            if name == known and isinstance(value, kind) and not _is_plain_struct(value):
                return self._filled(cls, fill, value, path)
        if isinstance(value, Mapping):
            return self._from_mapping(cls, value, path)
        raise self.error(path, f"got {_shown(value)}, wanted a {name} or a mapping of its fields")

    def _filled(
        self, cls: type[Any], fill: Callable[[Any, Any], None], value: Any, path: str
    ) -> Any:
        message = cls()
        try:
            fill(message, value)
        except (TypeError, ValueError) as exc:
            raise self.error(path, f"got {_shown(value)}: {exc}") from exc
        return message

    def _from_bytes(self, cls: type[Any], value: Message, path: str) -> Any:
        wanted, found = cls.DESCRIPTOR.full_name, value.DESCRIPTOR.full_name
        if found != wanted:
            hint = " (schema.pack() makes one)" if wanted == "google.protobuf.Any" else ""
            raise self.error(path, f"got a {found}, wanted a {wanted}{hint}")
        try:
            return cls.FromString(value.SerializePartialToString())
        except DecodeError as exc:
            raise self.error(path, f"the other schema's {wanted} is not alike: {exc}") from exc

    def _from_mapping(self, cls: type[Any], value: Mapping[Any, Any], path: str) -> Any:
        message = cls()
        fields = cls.DESCRIPTOR.fields_by_name
        for name, item in value.items():
            field = fields.get(name) if isinstance(name, str) else None
            if field is None:
                raise self.unknown_field(cls.DESCRIPTOR, path, name, fields)
            if item is not None:
                self._set(message, field, item, child(path, name))
        return message

    def _set(self, message: Any, field: FieldDescriptor, item: object, path: str) -> None:
        entry = map_entry(field)
        if entry is not None:
            self._set_map(getattr(message, field.name), entry, item, path)
        elif field.is_repeated:
            self._set_repeated(getattr(message, field.name), field, item, path)
        elif field.message_type is not None:
            target = getattr(message, field.name)
            target.SetInParent()
            target.CopyFrom(self._message(type(target), item, path))
        else:
            self._put(field, item, path, partial(setattr, message, field.name))

    def _set_repeated(self, target: Any, field: FieldDescriptor, items: object, path: str) -> None:
        if isinstance(items, (str, bytes, bytearray, Mapping)) or not isinstance(items, Iterable):
            raise self.error(path, f"got {_shown(items)}, wanted a list of {type_name(field)}")
        for index, item in enumerate(items):
            place = f"{path}[{index}]"
            if field.message_type is not None:
                cls = GetMessageClass(field.message_type)
                target.append(self._message(cls, item, place))
            else:
                self._put(field, item, place, target.append)

    def _set_map(self, target: Any, entry: MapEntry, items: object, path: str) -> None:
        key_field, value_field = entry
        if not isinstance(items, Mapping):
            types = f"{type_name(key_field)} to {type_name(value_field)}"
            raise self.error(path, f"got {_shown(items)}, wanted a mapping of {types}")
        for key, item in items.items():
            place = f"{path}[{key!r}]"
            if value_field.message_type is not None:
                cls = GetMessageClass(value_field.message_type)
                value = self._message(cls, item, place)
                self._put(key_field, key, place, partial(copy_into, target, value))
            else:
                self._put(key_field, key, place, target.__contains__)
                self._put(value_field, item, place, partial(target.__setitem__, key))

    def _put(
        self, field: FieldDescriptor, item: object, path: str, put: Callable[[Any], object]
    ) -> None:
        # protobuf takes UTF-8 bytes for a string; what comes out again would be another type.
        if isinstance(item, bytes) and field.type == FieldDescriptor.TYPE_STRING:
            raise self.wrong_scalar(field, path, _shown(item))
        try:
            put(item)
        except (TypeError, ValueError) as exc:
            raise self.wrong_scalar(field, path, _shown(item)) from exc


def _is_plain_struct(value: object) -> bool:
    """Whether a mapping for a Struct names its one field, and not the entries of that."""
    return isinstance(value, Mapping) and set(value) == {"fields"}


def copy_into(target: Any, value: Message, key: Any) -> None:
    """Set the message at a key of a map, which takes no assignment."""
    target[key].CopyFrom(value)


def child(path: str, name: str) -> str:
    """The path of a field below another."""
    return f"{path}.{name}" if path else name


class MapEntry(NamedTuple):
    """The two fields of a ``map<...>``."""

    key: FieldDescriptor
    value: FieldDescriptor


def map_entry(field: FieldDescriptor) -> MapEntry | None:
    """What a ``map<...>`` holds; None for any other field."""
    entry = field.message_type
    if entry is None or not entry.has_options or not entry.GetOptions().map_entry:
        return None
    return MapEntry(*entry.fields)


def json_name(field: FieldDescriptor) -> str:
    """The field's name in JSON."""
    try:
        return str(field.json_name)
    except UnicodeDecodeError:  # upb takes any bytes from a descriptor; the name itself it checks
        return str(field.name)


def type_name(field: FieldDescriptor) -> str:
    """The field's type as ``.proto`` source names it; of a repeated field its element's."""
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    if field.message_type is not None:
        return str(field.message_type.full_name)
    return _SCALARS[field.type]


def shortened(text: str) -> str:
    """What an error quotes of a value."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def _listed(before: str, names: Sequence[str]) -> str:
    """The names behind some words, where they are few enough to read."""
    return f"{before} {joined(names, 'and')}" if 0 < len(names) <= MAX_LISTED else ""


def _printable(text: str) -> str:
    # What holds half a surrogate pair cannot be printed: not even as an error.
    return text.encode("utf-8", "backslashreplace").decode()


def _shown(value: object) -> str:
    text = shortened(repr(value))
    return text if isinstance(value, str) or value is None else f"{text} ({type(value).__name__})"
