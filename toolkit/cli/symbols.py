"""What a descriptor describes: its name, its kind in words, its message, itself as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor as d
from google.protobuf import descriptor_pb2

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema

__all__ = ["kind_of", "message_of", "name_of", "symbol_json"]

# protobuf's classes know their C twins by isinstance alone, so these are no dictionaries.
_KINDS = (
    (d.OneofDescriptor, "a one-of"),
    (d.EnumDescriptor, "an enum"),
    (d.EnumValueDescriptor, "an enum value"),
    (d.ServiceDescriptor, "a service"),
    (d.MethodDescriptor, "a method"),
)
_PROTOS = (
    (d.Descriptor, descriptor_pb2.DescriptorProto),
    (d.EnumDescriptor, descriptor_pb2.EnumDescriptorProto),
    (d.ServiceDescriptor, descriptor_pb2.ServiceDescriptorProto),
    (d.MethodDescriptor, descriptor_pb2.MethodDescriptorProto),
    (d.FileDescriptor, descriptor_pb2.FileDescriptorProto),
)


def name_of(descriptor: Any) -> str:
    """The full name; that of an enum value is in the scope around its enum, as in C++."""
    if isinstance(descriptor, d.EnumValueDescriptor):
        scope = descriptor.type.full_name.rpartition(".")[0]
        return f"{scope}.{descriptor.name}" if scope else descriptor.name
    if isinstance(descriptor, d.OneofDescriptor):
        return f"{descriptor.containing_type.full_name}.{descriptor.name}"
    return str(descriptor.full_name)


def kind_of(descriptor: Any) -> str:
    """The kind in grpcurl's words: ``a message``, ``an enum value``, ``a one-of``."""
    if isinstance(descriptor, d.Descriptor):
        return _message_kind(descriptor)
    if isinstance(descriptor, d.FieldDescriptor):
        return _field_kind(descriptor)
    return next(kind for cls, kind in _KINDS if isinstance(descriptor, cls))


def _message_kind(message: d.Descriptor) -> str:
    return "the entry type for a map field" if message.GetOptions().map_entry else "a message"


def _field_kind(field: d.FieldDescriptor) -> str:
    if field.is_extension:
        return "an extension"
    return "a group field" if field.type == field.TYPE_GROUP else "a field"


def message_of(descriptor: Any) -> d.Descriptor | None:
    """The message that a template is for: itself, or what a method takes; None for the rest."""
    if isinstance(descriptor, d.Descriptor):
        return descriptor
    if isinstance(descriptor, d.MethodDescriptor):
        return descriptor.input_type
    return None


def symbol_json(schema: Schema, descriptor: Any) -> dict[str, Any]:
    """Name, kind, schema, comment, and the descriptor as ``descriptor.proto`` spells it."""
    from google.protobuf.json_format import MessageToDict

    name = name_of(descriptor)
    return {
        "name": name,
        "kind": kind_of(descriptor).partition(" ")[2],
        "schema": schema.name,
        "comment": schema.comments(name),
        "descriptor": MessageToDict(_proto(descriptor)),
    }


def _proto(descriptor: Any) -> Any:
    """The descriptor as a message; protobuf copies a field, oneof or enum value only as a part."""
    for cls, proto in _PROTOS:
        if isinstance(descriptor, cls):
            return _copy(descriptor, proto())
    if isinstance(descriptor, d.EnumValueDescriptor):
        return _part(_proto(descriptor.type).value, descriptor)
    if isinstance(descriptor, d.OneofDescriptor):
        return _part(_proto(descriptor.containing_type).oneof_decl, descriptor)
    return _field_proto(descriptor)


def _field_proto(field: Any) -> Any:
    if not field.is_extension:
        return _part(_proto(field.containing_type).field, field)
    if field.extension_scope is not None:
        return _part(_proto(field.extension_scope).extension, field)
    return _part(_proto(field.file).extension, field)


def _copy(descriptor: Any, proto: Any) -> Any:
    descriptor.CopyToProto(proto)
    return proto


def _part(parts: Any, descriptor: Any) -> Any:
    return next(part for part in parts if part.name == descriptor.name)
