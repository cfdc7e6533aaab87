"""JSON values as messages, by protobuf's JSON mapping (protobuf.dev, "ProtoJSON format")."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from toolkit.schema.anys import holds_json, json_bytes, message_name
from toolkit.schema.building import (
    Builder,
    child,
    copy_into,
    json_name,
    map_entry,
    shortened,
    type_name,
)
from toolkit.schema.jsonout import has_own_json
from toolkit.schema.jsonscalar import decode_bytes, from_scalar
from toolkit.schema.wellknown import WRAPPERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

    from toolkit.errors import MessageError
    from toolkit.schema.building import MapEntry
    from toolkit.schema.pool import Schema

__all__ = ["Reader"]

_AS_TEXT = frozenset(
    {"google.protobuf.Duration", "google.protobuf.FieldMask", "google.protobuf.Timestamp"}
)

_DYNAMIC: dict[str, type] = {
    "google.protobuf.ListValue": list,
    "google.protobuf.Struct": dict,
    "google.protobuf.Value": object,
}
_VALUE_FIELDS = {
    bool: "bool_value",
    float: "number_value",
    int: "number_value",
    str: "string_value",
    type(None): "null_value",
}


class Reader:
    """Reads one message out of a JSON value; its errors carry the path of the field."""

    __slots__ = ("_builder", "_cls", "_schema")

    def __init__(self, schema: Schema, cls: type[Any]) -> None:
        self._schema = schema
        self._cls = cls
        self._builder = Builder(cls)

    def read(self, value: Any) -> Any:
        """The message.

        Raises:
            MessageError: the value does not fit.
        """
        return self._message(self._cls, value, "")

    def _message(self, cls: type[Any], value: Any, path: str) -> Any:
        name = cls.DESCRIPTOR.full_name
        if name == "google.protobuf.Any":
            return self._any(cls, value, path)
        if name in WRAPPERS:
            return self._wrapper(cls, value, path)
        if name in _AS_TEXT and isinstance(value, str):
            return self._from_text(cls, value, path)
        kind = _DYNAMIC.get(name)
        if kind is not None and isinstance(value, kind):
            return _dynamic(cls, value)
        if not isinstance(value, dict):
            raise self._wrong(path, value, _wanted(name))
        return self._fields(cls, value, path)

    # Plain messages

    def _fields(self, cls: type[Any], value: dict[str, Any], path: str) -> Any:
        message = cls()
        names = _names(cls.DESCRIPTOR)
        seen: dict[str, str] = {}  # the key that set a field or a oneof
        for key, item in value.items():
            field = names.get(key) or self._extension(message, key)
            if field is None:
                raise self._builder.unknown_field(
                    cls.DESCRIPTOR, path, key, _candidates(key, names)
                )
            place = child(path, key)
            self._refuse_second(seen, field, key, place)
            if item is not None or _takes_null(field):
                self._set(message, field, item, place)
        return message

    def _refuse_second(
        self, seen: dict[str, str], field: FieldDescriptor, key: str, path: str
    ) -> None:
        oneof = field.containing_oneof
        group = field.full_name if oneof is None else oneof.full_name
        other = seen.setdefault(group, key)
        if other != key:
            what = "the same field" if oneof is None else f"the same oneof, {oneof.name}"
            raise self._builder.error(path, f"{other} is given too, which is {what}")

    def _extension(self, message: Any, key: str) -> FieldDescriptor | None:
        if not (key.startswith("[") and key.endswith("]")):
            return None
        try:
            found = message.DESCRIPTOR.file.pool.FindExtensionByName(key[1:-1])
        except KeyError:
            return None
        return found if found.containing_type is message.DESCRIPTOR else None

    def _set(self, message: Any, field: FieldDescriptor, item: Any, path: str) -> None:
        entry = map_entry(field)
        if entry is not None:
            self._set_map(getattr(message, field.name), entry, item, path)
        elif field.is_repeated:
            self._set_repeated(_held(message, field), field, item, path)
        elif field.message_type is not None:
            target = _held(message, field)
            target.SetInParent()
            target.CopyFrom(self._message(type(target), item, path))
        elif field.is_extension:
            self._put(field, item, path, partial(message.Extensions.__setitem__, field))
        else:
            self._put(field, item, path, partial(setattr, message, field.name))

    def _set_repeated(self, target: Any, field: FieldDescriptor, items: Any, path: str) -> None:
        if not isinstance(items, list):
            raise self._wrong(path, items, f"an array of {type_name(field)}")
        for index, item in enumerate(items):
            place = f"{path}[{index}]"
            if field.message_type is not None:
                target.append(self._message(GetMessageClass(field.message_type), item, place))
            else:
                self._put(field, item, place, target.append)

    def _set_map(self, target: Any, entry: MapEntry, items: Any, path: str) -> None:
        if not isinstance(items, dict):
            raise self._wrong(path, items, f"an object of {type_name(entry.value)} values")
        for text, item in items.items():
            place = f"{path}[{json.dumps(text)}]"
            key = self._map_key(entry.key, text, place)
            if entry.value.message_type is not None:
                cls = GetMessageClass(entry.value.message_type)
                value = self._message(cls, item, place)
                self._try(entry.key, text, place, partial(copy_into, target, value, key))
            else:
                self._put(entry.value, item, place, partial(target.__setitem__, key))

    def _map_key(self, field: FieldDescriptor, text: str, path: str) -> Any:
        if field.type != FieldDescriptor.TYPE_BOOL:
            return self._scalar(field, text, path)
        if text not in ("true", "false"):
            raise self._wrong(path, text, "a key that is true or false")
        return text == "true"

    # Scalars

    def _put(
        self, field: FieldDescriptor, item: Any, path: str, put: Callable[[Any], object]
    ) -> None:
        value = self._scalar(field, item, path)
        self._try(field, item, path, partial(put, value))

    def _try(self, field: FieldDescriptor, item: Any, path: str, act: Callable[[], object]) -> None:
        try:
            act()
        except (TypeError, ValueError) as exc:  # out of range, or half a surrogate pair
            raise self._builder.wrong_scalar(field, path, _shown(item)) from exc

    def _scalar(self, field: FieldDescriptor, item: Any, path: str) -> Any:
        value = from_scalar(field, item)
        if value is None:
            raise self._builder.wrong_scalar(field, path, _shown(item))
        return value

    # Well-known types

    def _wrapper(self, cls: type[Any], value: Any, path: str) -> Any:
        message = cls()
        field = cls.DESCRIPTOR.fields_by_name["value"]
        self._put(field, value, path, partial(setattr, message, "value"))
        return message

    def _from_text(self, cls: type[Any], value: str, path: str) -> Any:
        message = cls()
        try:
            message.FromJsonString(value)
        except (ValueError, OverflowError) as exc:
            raise self._wrong(path, value, _wanted(cls.DESCRIPTOR.full_name)) from exc
        return message

    def _any(self, cls: type[Any], value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise self._wrong(path, value, _wanted("google.protobuf.Any"))
        if not value or value.keys() <= {"type_url", "typeUrl", "value"}:
            return self._fields(cls, value, path)
        url = value.get("@type")
        if not isinstance(url, str):
            reason = 'an Any names its type: {"@type": "containerd.runc.v1.Options", …}'
            raise self._builder.error(child(path, "@type"), reason)
        rest = {key: item for key, item in value.items() if key != "@type"}
        return cls(type_url=url, value=self._packed(url, rest, path))

    def _packed(self, url: str, rest: dict[str, Any], path: str) -> bytes:
        """The bytes of an Any; those of an unknown type go as they were printed."""
        if "@value" in rest:
            decoded = decode_bytes(rest["@value"])
            if decoded is None:
                raise self._wrong(child(path, "@value"), rest["@value"], "base64")
            return decoded
        if holds_json(url):
            return json_bytes(url, self._only_value(rest, url, path))
        name = message_name(url)
        cls = self._schema.lookup(name)
        if cls is None:
            raise self._unknown_type(name, path)
        if has_own_json(name):
            value = self._only_value(rest, url, path)
            packed = self._message(cls, value, child(path, "value"))
        else:
            packed = self._message(cls, rest, path)
        return bytes(packed.SerializePartialToString(deterministic=True))

    def _only_value(self, rest: dict[str, Any], url: str, path: str) -> Any:
        if rest.keys() == {"value"}:
            return rest["value"]
        place = next((child(path, key) for key in rest if key != "value"), path)
        raise self._builder.error(place, f'beside "@type": "{url}" goes one "value"')

    def _unknown_type(self, name: str, path: str) -> MessageError:
        found = self._schema.not_found("message", name)
        return self._builder.error(
            child(path, "@type"),
            f'{self._schema.name} has no message {name!r} ("@value" takes its bytes in base64)',
            found.nearest,
        )

    def _wrong(self, path: str, value: Any, wanted: str) -> MessageError:
        return self._builder.error(path, f"got {_shown(value)}, wanted {wanted}")


def _names(descriptor: Descriptor) -> dict[str, FieldDescriptor]:
    """The fields by the names that JSON knows them by."""
    names = {json_name(field): field for field in descriptor.fields}
    return names | {field.name: field for field in descriptor.fields}


def _candidates(key: str, names: dict[str, FieldDescriptor]) -> list[str]:
    """The names to propose, in the spelling that the key seems to be of."""
    if "_" in key:
        return [field.name for field in names.values()]
    return [json_name(field) for field in names.values()]


def _held(message: Any, field: FieldDescriptor) -> Any:
    """The container or the message that a field of a message holds."""
    return message.Extensions[field] if field.is_extension else getattr(message, field.name)


def _takes_null(field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return False
    return type_name(field) in ("google.protobuf.NullValue", "google.protobuf.Value")


def _wanted(name: str) -> str:
    return {
        "google.protobuf.Any": 'an object with "@type"',
        "google.protobuf.Duration": 'a duration in seconds, "1.5s"',
        "google.protobuf.FieldMask": 'the paths of fields, "user.displayName,photo"',
        "google.protobuf.ListValue": "an array",
        "google.protobuf.Timestamp": 'a time, "2006-01-02T15:04:05Z"',
    }.get(name, f"an object of {name}")


def _shown(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False))


def _dynamic(cls: type[Any], value: Any) -> Any:
    """A ``Value``, ``ListValue`` or ``Struct`` of any JSON value that its type can hold."""
    message = cls()
    fields = cls.DESCRIPTOR.fields_by_name
    if "values" in fields:
        element = GetMessageClass(fields["values"].message_type)
        message.values.extend(_dynamic(element, item) for item in value)
    elif "fields" in fields:
        element = GetMessageClass(
            fields["fields"].message_type.fields_by_name["value"].message_type
        )
        for key, item in value.items():
            message.fields[key].CopyFrom(_dynamic(element, item))
    elif isinstance(value, (dict, list)):
        held = message.struct_value if isinstance(value, dict) else message.list_value
        held.SetInParent()
        held.CopyFrom(_dynamic(type(held), value))
    else:
        setattr(message, _VALUE_FIELDS[type(value)], 0 if value is None else value)
    return message
