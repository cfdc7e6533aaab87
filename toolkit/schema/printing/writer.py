"""What all declarations of a file are written with: its names, options and comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from toolkit.schema.printing.clauses import ended
from toolkit.schema.printing.layout import Block, joined
from toolkit.schema.printing.typenames import SCALARS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
    from google.protobuf.message import Message

    from toolkit.schema.printing.clauses import Place
    from toolkit.schema.printing.comments import Comment, Comments
    from toolkit.schema.printing.optiontext import OptionReader
    from toolkit.schema.printing.typenames import TypeNames

__all__ = ["Style", "Writer"]


class Style(NamedTuple):
    """How declarations are written.

    Attributes:
        qualified: type names in full, with a leading dot.
        spread: blank lines between declarations of several lines.
        padded: spaces inside the parentheses of an rpc.
    """

    qualified: bool = False
    spread: bool = True
    padded: bool = False


class Writer:
    """The base of ``Declarations``: the parts that every kind of declaration has.

    Attributes:
        file: the file whose declarations are printed.
        option_reader: reads its options.
        comments: finds its comments.
        style: how the text is to look.
    """

    def __init__(
        self,
        file: FileDescriptorProto,
        names: TypeNames,
        option_reader: OptionReader,
        comments: Comments,
        style: Style,
    ) -> None:
        self.file = file
        self.option_reader = option_reader
        self.comments = comments
        self.style = style
        self._names = names

    def block(
        self, lines: list[str], at: Place, *, apart: bool = False, types: Iterable[str] = ()
    ) -> Block:
        """A printed declaration as part of a body; several lines want blank lines around them."""
        start = self.comments.start(at.path)
        return Block(lines, apart or len(lines) > 1, start, frozenset(types))

    def body(self, blocks: Iterable[Block]) -> list[str]:
        """The lines of a body in braces."""
        return joined(blocks, spread=self.style.spread)

    def comment(self, at: Place) -> Comment:
        """The comment of the declaration whose inside is ``at``."""
        return self.comments.find(at.path, at.scope)

    def options(self, options: Message, scope: str) -> list[str]:
        """The options of a declaration, a statement each."""
        lines: list[str] = []
        for name, value in self.option_reader.read(options, scope):
            first, *rest = value
            lines += ended([f"option {name} = {first}", *rest])
        return lines

    def option_blocks(self, options: Message, at: Place) -> list[Block]:
        """The options as the first block of a body; none without options."""
        lines = self.options(options, at.scope)
        return [Block(lines, apart=True, start=(0, 0))] if lines else []

    def name(self, type_name: str, scope: str) -> str:
        """A type's name as it is written inside ``scope``."""
        # A name without the dot is one that its compiler left unresolved: as it came.
        if self.style.qualified or not type_name.startswith("."):
            return type_name
        return self._names.type_name(type_name[1:], package=self.file.package, scope=scope)

    def field_type(self, field: FieldDescriptorProto, scope: str) -> str:
        """The type of a field, without its label."""
        scalar = SCALARS.get(field.type)
        return scalar if scalar is not None else self.name(field.type_name, scope)

    def map_type(self, entry: DescriptorProto, scope: str) -> str:
        """The type of the map that has these entries."""
        key, value = entry.field
        return f"map<{self.field_type(key, scope)}, {self.field_type(value, scope)}>"

    def label(self, field: FieldDescriptorProto) -> str:
        """What stands before the type of a field, with the space behind it."""
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return "repeated "
        if field.label == FieldDescriptorProto.LABEL_REQUIRED:
            return "required "
        if field.proto3_optional:
            return "optional "
        proto2 = self.file.syntax in ("", "proto2")
        return "optional " if proto2 and not field.HasField("oneof_index") else ""

    def parameter(self, type_name: str, scope: str, *, streaming: bool) -> str:
        """The request or reply of a method, in its parentheses."""
        text = ("stream " if streaming else "") + self.name(type_name, scope)
        return f"( {text} )" if self.style.padded else f"({text})"
