"""JSON to fill in for a message: every field once, with a value of its type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as F

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["template"]

# Messages with a JSON form of their own (ProtoJSON), and an example of it.
_WELL_KNOWN: dict[str, Any] = {
    "google.protobuf.Any": {"@type": "google.protobuf.Empty"},
    "google.protobuf.BoolValue": False,
    "google.protobuf.BytesValue": "",
    "google.protobuf.DoubleValue": 0,
    "google.protobuf.Duration": "0s",
    "google.protobuf.FieldMask": "",
    "google.protobuf.FloatValue": 0,
    "google.protobuf.Int32Value": 0,
    "google.protobuf.Int64Value": "0",
    "google.protobuf.ListValue": [],
    "google.protobuf.StringValue": "",
    "google.protobuf.Struct": {},
    "google.protobuf.Timestamp": "1970-01-01T00:00:00Z",
    "google.protobuf.UInt32Value": 0,
    "google.protobuf.UInt64Value": "0",
    "google.protobuf.Value": None,
}
_QUOTED = {F.CPPTYPE_INT64, F.CPPTYPE_UINT64}  # ProtoJSON: 64 bits do not fit a JSON number
_NUMBERS = {F.CPPTYPE_INT32, F.CPPTYPE_UINT32, F.CPPTYPE_DOUBLE, F.CPPTYPE_FLOAT}


# What travels in containerd's Any fields, by the field's name: types of the OCI runtime spec, as
# JSON. The spec of a process has the same field name as that of a container.
_OCI = "types.containerd.io/opencontainers/runtime-spec/1/"
_OCI_FIELDS: dict[str, dict[str, Any]] = {
    "resources": {"@type": f"{_OCI}LinuxResources", "value": {"pids": {"limit": 100}}},
    "spec": {"@type": f"{_OCI}Spec", "value": {"ociVersion": "1.1.0"}},
}
_PROCESS = {"@type": f"{_OCI}Process", "value": {"args": ["ps"], "cwd": "/"}}
_RUNC_OPTIONS = "containerd.runc.v1.Options"


def template(message: Descriptor) -> str:
    """The text; one element a repeated field, one alternative a oneof, no message in itself."""
    return json.dumps(_message(message, ()), indent=2)


def _message(message: Descriptor, outer: tuple[str, ...]) -> Any:
    name = message.full_name
    if name in _WELL_KNOWN:
        return _WELL_KNOWN[name]
    if name in outer:
        return {}
    return {field.json_name: _field(field, (*outer, name)) for field in _fields(message)}


def _fields(message: Descriptor) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        oneof = field.containing_oneof
        if oneof is None or oneof.fields[0].name == field.name:
            yield field


def _field(field: FieldDescriptor, outer: tuple[str, ...]) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        key = _map_key(entry.fields_by_name["key"])
        return {key: _value(entry.fields_by_name["value"], outer)}
    value = _value(field, outer)
    return [value] if field.is_repeated else value


def _map_key(field: FieldDescriptor) -> str:
    if field.cpp_type == F.CPPTYPE_STRING:
        return ""
    return "false" if field.cpp_type == F.CPPTYPE_BOOL else "0"


def _value(field: FieldDescriptor, outer: tuple[str, ...]) -> Any:
    if field.message_type is not None:
        return _example(field) or _message(field.message_type, outer)
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    if field.cpp_type in _QUOTED:
        return "0"
    if field.cpp_type in _NUMBERS:
        return 0
    return False if field.cpp_type == F.CPPTYPE_BOOL else ""


def _example(field: FieldDescriptor) -> dict[str, Any] | None:
    """What containerd puts into an Any field of this name; None for any other field."""
    kind, holder = field.message_type, field.containing_type
    if kind is None or kind.full_name != "google.protobuf.Any" or holder is None:
        return None
    if not holder.full_name.startswith("containerd."):
        return None
    if field.name == "spec" and holder.name.startswith("Exec"):
        return _PROCESS
    if field.name == "options" and _knows(holder, _RUNC_OPTIONS):
        return {"@type": _RUNC_OPTIONS}
    return _OCI_FIELDS.get(field.name)


def _knows(holder: Descriptor, message: str) -> bool:
    try:
        holder.file.pool.FindMessageTypeByName(message)
    except KeyError:
        return False
    return True
