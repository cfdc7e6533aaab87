"""The declarations of a file as ``.proto`` source."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from toolkit.schema.printing.clauses import (
    INT32_MAX,
    Place,
    declared_type,
    declared_types,
    ended,
    field_settings,
    in_oneof,
    is_group,
    span,
    with_options,
)
from toolkit.schema.printing.layout import WIDTH, Block, arrange, braces, statement
from toolkit.schema.printing.optiontext import quote
from toolkit.schema.printing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        EnumValueDescriptorProto,
        FieldDescriptorProto,
        MethodDescriptorProto,
        ServiceDescriptorProto,
    )


__all__ = ["Declarations"]

_VISIBILITY = {1: "local ", 2: "export "}  # SymbolVisibility, since edition 2024


_VISIBILITY = {1: "local ", 2: "export "}  # SymbolVisibility, since edition 2024


class Declarations(Writer):
    """Prints what one file declares; each declaration as lines, its comments included.

    The numbers in paths are those of the fields of descriptor.proto, as source info counts.
    """

    def service(self, service: ServiceDescriptorProto, at: Place) -> list[str]:
        """A service; ``at`` is the place inside it, as everywhere below."""
        blocks = self.option_blocks(service.options, at)
        for index, method in enumerate(service.method):
            inside = at.within(method.name, 2, index)
            blocks.append(self.block(self.method(method, inside), inside))
        return braces([f"service {service.name}"], self.body(blocks), self.comment(at))

    def method(self, method: MethodDescriptorProto, at: Place) -> list[str]:
        """A method of a service."""
        # The compiler looks the types up from the service, not from inside the method.
        scope = at.scope.rpartition(".")[0]
        request = self.parameter(method.input_type, scope, streaming=method.client_streaming)
        reply = self.parameter(method.output_type, scope, streaming=method.server_streaming)
        if self.style.padded:  # as grpcurl writes it, on one line
            head = [f"rpc {method.name} {request} returns {reply}"]
        else:
            head = _broken(f"rpc {method.name}{request}", f" returns {reply}")
        options = self.options(method.options, at.scope)
        # An rpc that was written with empty braces has options, if none that are set.
        if options or (method.HasField("options") and not self.style.padded):
            return braces(head, options, self.comment(at))
        return statement(ended(head), self.comment(at))

    def enum(self, enum: EnumDescriptorProto, at: Place) -> list[str]:
        """An enum."""
        first = self.option_blocks(enum.options, at)
        # In an enum both ends of a reserved range are included.
        ranges = [span(part.start, part.end, INT32_MAX) for part in enum.reserved_range]
        first += self._reserved(ranges, enum.reserved_name, at, 4)
        values = []
        for index, value in enumerate(enum.value):
            inside = at.within(value.name, 2, index)
            values.append(self.block(self.enum_value(value, inside), inside))
        head = f"{_VISIBILITY.get(enum.visibility, '')}enum {enum.name}"
        return braces([head], self.body(arrange(first, [values], [])), self.comment(at))

    def enum_value(self, value: EnumValueDescriptorProto, at: Place) -> list[str]:
        """A value of an enum."""
        options = self.option_reader.read(value.options, at.scope)
        text = with_options(f"{value.name} = {value.number}", options, at)
        return statement(ended(text), self.comment(at))

    def message(self, message: DescriptorProto, at: Place) -> list[str]:
        """A message with all that is in it."""
        head = f"{_VISIBILITY.get(message.visibility, '')}message {message.name}"
        return braces([head], self._message_body(message, at), self.comment(at))

    def field(
        self,
        field: FieldDescriptorProto,
        types: Sequence[DescriptorProto],
        around: Place,
        at: Place,
    ) -> list[str]:
        """A field or an extension.

        Args:
            field: what to print.
            types: the messages declared beside it, where its map entry or group is.
            around: the place of those messages.
            at: the place of the field.
        """
        index = declared_type(field, types, around)
        settings = field_settings(field) + self.option_reader.read(field.options, at.scope)
        if index is None:
            kind = self.label(field) + self.field_type(field, around.scope)
            text = f"{kind} {field.name} = {field.number}"
        elif types[index].options.map_entry:
            text = f"{self.map_type(types[index], around.scope)} {field.name} = {field.number}"
        else:
            group = types[index]
            text = f"{self.label(field)}group {group.name} = {field.number}"
            inside = around.within(group.name, 3 if around.path else 4, index)
            head = with_options(text, settings, at)
            return braces(head, self._message_body(group, inside), self.comment(at))
        return statement(ended(with_options(text, settings, at)), self.comment(at))

    def oneof(self, message: DescriptorProto, index: int, around: Place) -> list[str]:
        """A oneof of the message whose inside is ``around``."""
        oneof = message.oneof_decl[index]
        at = around.within(oneof.name, 8, index)
        blocks = self.option_blocks(oneof.options, at)
        for number, field in enumerate(message.field):
            if in_oneof(field, index):
                inside = around.within(field.name, 2, number)
                lines = self.field(field, message.nested_type, around, inside)
                blocks.append(self.block(lines, inside))
        return braces([f"oneof {oneof.name}"], self.body(blocks), self.comment(at))

    def extend(
        self,
        extensions: Sequence[tuple[int, FieldDescriptorProto]],
        types: Sequence[DescriptorProto],
        around: Place,
    ) -> list[str]:
        """An ``extend`` of extensions with one extendee, each with its index in ``around``."""
        number = 6 if around.path else 7
        blocks = []
        for index, extension in extensions:
            at = around.within(extension.name, number, index)
            blocks.append(self.block(self.field(extension, types, around, at), at))
        extendee = self.name(extensions[0][1].extendee, around.scope)
        comment = self.comments.find((*around.path, number))
        return braces([f"extend {extendee}"], self.body(blocks), comment)

    # What a file and a message both hold

    def types(
        self,
        messages: Sequence[DescriptorProto],
        streams: Iterable[Iterable[Block]],
        around: Place,
    ) -> list[tuple[str, Block | None]]:
        """Messages by name; None for one that a block of a stream declares."""
        inline = frozenset[str]().union(*(item.types for stream in streams for item in stream))
        types: list[tuple[str, Block | None]] = []
        for index, message in enumerate(messages):
            own = message.name not in inline and not message.options.map_entry
            at = around.within(message.name, 3 if around.path else 4, index)
            types.append(
                (message.name, self.block(self.message(message, at), at, apart=True))
                if own
                else (message.name, None)
            )
        return types

    def enums(self, enums: Sequence[EnumDescriptorProto], around: Place) -> list[Block]:
        """Enums, a block each."""
        blocks = []
        for index, enum in enumerate(enums):
            at = around.within(enum.name, 4 if around.path else 5, index)
            blocks.append(self.block(self.enum(enum, at), at, apart=True))
        return blocks

    def services(self, services: Sequence[ServiceDescriptorProto], around: Place) -> list[Block]:
        """Services, a block each."""
        blocks = []
        for index, service in enumerate(services):
            at = around.within(service.name, 6, index)
            blocks.append(self.block(self.service(service, at), at, apart=True))
        return blocks

    def extends(
        self,
        extensions: Sequence[FieldDescriptorProto],
        types: Sequence[DescriptorProto],
        around: Place,
    ) -> list[Block]:
        """Extensions that follow one another share a block; one with a group has its own."""

        def shared(item: tuple[int, FieldDescriptorProto]) -> tuple[str, int]:
            index, extension = item
            return extension.extendee, index if is_group(extension) else -1

        blocks = []
        for _, grouped in itertools.groupby(enumerate(extensions), shared):
            members = list(grouped)
            index, first = members[0]
            at = around.within(first.name, 6 if around.path else 7, index)
            inline = declared_types([extension for _, extension in members], types, around)
            lines = self.extend(members, types, around)
            blocks.append(self.block(lines, at, apart=True, types=inline))
        return blocks

    # The parts of a message

    def _message_body(self, message: DescriptorProto, at: Place) -> list[str]:
        first = self.option_blocks(message.options, at)
        ranges = [span(part.start, part.end - 1) for part in message.reserved_range]
        first += self._reserved(ranges, message.reserved_name, at, 9)
        first += self._extension_ranges(message, at)
        first += self.enums(message.enum_type, at)
        extends = self.extends(message.extension, message.nested_type, at)
        first += [item for item in extends if not item.types]
        streams = [list(self._fields(message, at)), [item for item in extends if item.types]]
        types = self.types(message.nested_type, streams, at)
        return self.body(arrange(first, streams, types))

    def _fields(self, message: DescriptorProto, at: Place) -> Iterator[Block]:
        types = message.nested_type
        seen: set[int] = set()
        for index, field in enumerate(message.field):
            if not field.HasField("oneof_index") or field.proto3_optional:
                inside = at.within(field.name, 2, index)
                lines = self.field(field, types, at, inside)
                yield self.block(lines, inside, types=declared_types([field], types, at))
            elif field.oneof_index not in seen:
                seen.add(field.oneof_index)
                members = [other for other in message.field if in_oneof(other, field.oneof_index)]
                lines = self.oneof(message, field.oneof_index, at)
                inside = at.within(field.name, 8, field.oneof_index)
                inline = declared_types(members, types, at)
                yield self.block(lines, inside, apart=True, types=inline)

    def _reserved(
        self, ranges: Sequence[str], names: Sequence[str], at: Place, number: int
    ) -> list[Block]:
        bare = self.file.syntax == "editions"
        texts = (ranges, names if bare else [quote(name) for name in names])
        blocks = []
        for offset, parts in enumerate(texts):
            if parts:
                path = (*at.path, number + offset)
                lines = statement([f"reserved {', '.join(parts)};"], self.comments.find(path))
                start = self.comments.start(path)
                blocks.append(Block(lines, apart=True, start=start, numbers=True))
        return blocks

    def _extension_ranges(self, message: DescriptorProto, at: Place) -> Iterator[Block]:
        path = (*at.path, 5)
        # Ranges that share their options were most likely one statement.
        grouped = itertools.groupby(
            message.extension_range, lambda part: part.options.SerializeToString()
        )
        for count, (_, members) in enumerate(grouped):
            parts = list(members)
            spans = ", ".join(span(part.start, part.end - 1) for part in parts)
            options = self.option_reader.read(parts[0].options, at.scope)
            text = ended(with_options(f"extensions {spans}", options, at))
            lines = text if count else statement(text, self.comments.find(path))
            start = self.comments.start(path)
            yield Block(lines, apart=True, start=start, numbers=True)


def _broken(text: str, rest: str) -> list[str]:
    """A method on one line, or on two where one would be too long inside its service."""
    if len(f"  {text}{rest};") <= WIDTH:
        return [text + rest]
    return [text, f"   {rest}"]
