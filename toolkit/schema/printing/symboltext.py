"""One symbol as ``.proto`` source, as ``ttrpc describe`` shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    OneofDescriptor,
    ServiceDescriptor,
)

from toolkit.schema.printing.clauses import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
        ServiceDescriptorProto,
    )

    from toolkit.schema.printing.declarations import Declarations

__all__ = ["file_name", "symbol_text"]


def file_name(descriptor: Any) -> str:
    """The name of the file that declares a symbol of any kind."""
    match descriptor:
        case EnumValueDescriptor():
            return str(descriptor.type.file.name)
        case MethodDescriptor():
            return str(descriptor.containing_service.file.name)
        case OneofDescriptor():
            return str(descriptor.containing_type.file.name)
        case _:
            return str(descriptor.file.name)


def symbol_text(file: FileDescriptorProto, declarations: Declarations, descriptor: Any) -> str:
    """The source of one declaration of a file."""
    return "\n".join(_lines(file, declarations, descriptor)) + "\n"


def _lines(file: FileDescriptorProto, declarations: Declarations, descriptor: Any) -> list[str]:
    match descriptor:
        case Descriptor():
            return declarations.message(*_message(file, descriptor))
        case EnumDescriptor():
            return declarations.enum(*_enum(file, descriptor))
        case ServiceDescriptor():
            return declarations.service(*_service(file, descriptor))
        case FieldDescriptor() if descriptor.is_extension:
            return _extension(file, declarations, descriptor)
        case _:
            return _member(file, declarations, descriptor)


def _member(file: FileDescriptorProto, declarations: Declarations, descriptor: Any) -> list[str]:
    if isinstance(descriptor, MethodDescriptor):
        service, at = _service(file, descriptor.containing_service)
        index = _index(service.method, descriptor.name)
        return declarations.method(service.method[index], at.within(descriptor.name, 2, index))
    if isinstance(descriptor, EnumValueDescriptor):
        enum, at = _enum(file, descriptor.type)
        index = _index(enum.value, descriptor.name)
        return declarations.enum_value(enum.value[index], at.within(descriptor.name, 2, index))
    message, at = _message(file, descriptor.containing_type)
    if isinstance(descriptor, OneofDescriptor):
        return declarations.oneof(message, _index(message.oneof_decl, descriptor.name), at)
    index = _index(message.field, descriptor.name)
    inside = at.within(descriptor.name, 2, index)
    return declarations.field(message.field[index], message.nested_type, at, inside)


def _extension(
    file: FileDescriptorProto, declarations: Declarations, descriptor: FieldDescriptor
) -> list[str]:
    extensions: Sequence[FieldDescriptorProto] = file.extension
    types: Sequence[DescriptorProto] = file.message_type
    around = Place(file.package, ())
    if descriptor.extension_scope is not None:
        message, around = _message(file, descriptor.extension_scope)
        extensions, types = message.extension, message.nested_type
    index = _index(extensions, descriptor.name)
    return declarations.extend([(index, extensions[index])], types, around)


def _message(file: FileDescriptorProto, descriptor: Descriptor) -> tuple[DescriptorProto, Place]:
    outer = descriptor.containing_type
    messages: Sequence[DescriptorProto] = file.message_type
    around = Place(file.package, ())
    if outer is not None:
        holder, around = _message(file, outer)
        messages = holder.nested_type
    index = _index(messages, descriptor.name)
    return messages[index], around.within(descriptor.name, 3 if around.path else 4, index)


def _enum(
    file: FileDescriptorProto, descriptor: EnumDescriptor
) -> tuple[EnumDescriptorProto, Place]:
    outer = descriptor.containing_type
    enums: Sequence[EnumDescriptorProto] = file.enum_type
    around = Place(file.package, ())
    if outer is not None:
        holder, around = _message(file, outer)
        enums = holder.enum_type
    index = _index(enums, descriptor.name)
    return enums[index], around.within(descriptor.name, 4 if around.path else 5, index)


def _service(
    file: FileDescriptorProto, descriptor: ServiceDescriptor
) -> tuple[ServiceDescriptorProto, Place]:
    index = _index(file.service, descriptor.name)
    return file.service[index], Place(file.package, ()).within(descriptor.name, 6, index)


def _index(declared: Sequence[Any], name: str) -> int:
    return next(index for index, one in enumerate(declared) if one.name == name)
