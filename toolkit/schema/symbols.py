"""Every symbol that files declare, by its full name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto

__all__ = ["comments_by_name", "descriptors"]

# The field numbers of google/protobuf/descriptor.proto that source info counts its paths in.
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE, FILE_EXTENSION = 4, 5, 6, 7
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM, MESSAGE_EXTENSION, MESSAGE_ONEOF = 2, 3, 4, 6, 8
ENUM_VALUE = 2
SERVICE_METHOD = 2


def descriptors(files: Iterable[FileDescriptor]) -> dict[str, Any]:
    """Messages, fields, oneofs, enums, their values, extensions, services and methods.

    An enum's value is beside its enum (C++ scoping, as protoc has it); it can also be found below.
    """
    found: dict[str, Any] = {}
    for file in files:
        for descriptor in _of_file(file):
            found.setdefault(descriptor.full_name, descriptor)
    return found | _enum_values(found.values())


def _of_file(file: FileDescriptor) -> Iterator[Any]:
    for message in file.message_types_by_name.values():
        yield from _of_message(message)
    yield from file.enum_types_by_name.values()
    yield from file.extensions_by_name.values()
    for service in file.services_by_name.values():
        yield service
        yield from service.methods


def _of_message(message: Descriptor) -> Iterator[Any]:
    yield message
    yield from message.fields
    yield from message.oneofs
    yield from message.extensions
    yield from message.enum_types
    for nested in message.nested_types:
        yield from _of_message(nested)


def _enum_values(known: Iterable[Any]) -> dict[str, Any]:
    from google.protobuf.descriptor import EnumDescriptor

    values: dict[str, Any] = {}
    for enum in known:
        if isinstance(enum, EnumDescriptor):
            for value in enum.values:
                values.setdefault(f"{_scope(enum)}{value.name}", value)
                values.setdefault(f"{enum.full_name}.{value.name}", value)
    return values


def _scope(enum: EnumDescriptor) -> str:
    return str(enum.full_name.removesuffix(enum.name))


def comments_by_name(file: FileDescriptorProto) -> dict[str, str]:
    """The comments before and behind each symbol of a file that has any, by full name."""
    texts: dict[tuple[int, ...], str] = {}
    for location in file.source_code_info.location:
        text = _text(*map(comment_text, (location.leading_comments, location.trailing_comments)))
        if text:
            texts.setdefault(tuple(location.path), text)
    return {name: texts[path] for name, path in _paths(file) if path in texts}


def comment_text(comment: str | bytes) -> str:
    """A comment of source info, which protobuf gives as bytes where it is not UTF-8."""
    return comment if isinstance(comment, str) else comment.decode("utf-8", "replace")


def _text(*comments: str) -> str:
    """The comments without the space that follows ``//``."""
    blocks = ("\n".join(_dedented(comment)).strip("\n") for comment in comments)
    return "\n\n".join(block for block in blocks if block)


def _dedented(comment: str) -> list[str]:
    return [line.removeprefix(" ").rstrip() for line in comment.split("\n")]


def _paths(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    scope = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _message_paths(message, scope, (FILE_MESSAGE, index))
    for index, enum in enumerate(file.enum_type):
        yield from _enum_paths(enum, scope, (FILE_ENUM, index))
    for index, extension in enumerate(file.extension):
        yield scope + extension.name, (FILE_EXTENSION, index)
    for index, service in enumerate(file.service):
        yield scope + service.name, (FILE_SERVICE, index)
        for position, method in enumerate(service.method):
            name = f"{scope}{service.name}.{method.name}"
            yield name, (FILE_SERVICE, index, SERVICE_METHOD, position)


def _message_paths(
    message: DescriptorProto, scope: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield scope + message.name, path
    inner = f"{scope}{message.name}."
    kinds: tuple[tuple[int, Iterable[Any]], ...] = (
        (MESSAGE_FIELD, message.field),
        (MESSAGE_ONEOF, message.oneof_decl),
        (MESSAGE_EXTENSION, message.extension),
    )
    for number, members in kinds:
        yield from ((inner + one.name, (*path, number, at)) for at, one in enumerate(members))
    for index, enum in enumerate(message.enum_type):
        yield from _enum_paths(enum, inner, (*path, MESSAGE_ENUM, index))
    for index, nested in enumerate(message.nested_type):
        yield from _message_paths(nested, inner, (*path, MESSAGE_NESTED, index))


def _enum_paths(
    enum: Any, scope: str, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield scope + enum.name, path
    for index, value in enumerate(enum.value):
        place = (*path, ENUM_VALUE, index)
        yield scope + value.name, place
        yield f"{scope}{enum.name}.{value.name}", place
