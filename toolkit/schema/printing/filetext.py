"""A whole file as ``.proto`` source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import Edition

from toolkit.schema.printing.clauses import Place
from toolkit.schema.printing.layout import Block, arrange, joined, statement
from toolkit.schema.printing.optiontext import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from toolkit.schema.printing.comments import Comments
    from toolkit.schema.printing.declarations import Declarations

__all__ = ["file_text"]


def file_text(
    file: FileDescriptorProto, declarations: Declarations, comments: Comments, header: Sequence[str]
) -> str:
    """The source of a file, under a comment of its own."""
    parts = [
        [f"// {line}".rstrip() for line in header],
        statement([_syntax(file)], comments.find((12,))),
        statement([f"package {file.package};"], comments.find((2,))) if file.package else [],
        list(_imports(file, comments)),
        declarations.options(file.options, file.package),
    ]
    blocks = [Block(lines, apart=True) for lines in parts if lines]
    blocks += _declared(file, declarations)
    return "\n".join(joined(blocks, spread=True)) + "\n"


def _syntax(file: FileDescriptorProto) -> str:
    if file.syntax == "editions":
        return f'edition = "{Edition.Name(file.edition).removeprefix("EDITION_")}";'
    return f'syntax = "{file.syntax or "proto2"}";'


def _imports(file: FileDescriptorProto, comments: Comments) -> Iterator[str]:
    public, weak = set(file.public_dependency), set(file.weak_dependency)
    for index, name in enumerate(file.dependency):
        kind = "public " if index in public else "weak " if index in weak else ""
        yield from statement([f"import {kind}{quote(name)};"], comments.find((3, index)))
    for index, name in enumerate(file.option_dependency):
        yield from statement([f"import option {quote(name)};"], comments.find((15, index)))


def _declared(file: FileDescriptorProto, declarations: Declarations) -> list[Block]:
    around = Place(file.package, ())
    extends = declarations.extends(file.extension, file.message_type, around)
    first = [item for item in extends if not item.types]
    first += declarations.services(file.service, around)
    first += declarations.enums(file.enum_type, around)
    streams = [[item for item in extends if item.types]]
    return arrange(first, streams, declarations.types(file.message_type, streams, around))
