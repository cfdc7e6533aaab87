"""What the templates are given: a schema as plain data, with names and text fit for Python.

Every name is an identifier by now, every type an annotation, every comment text. What a type is
called depends on where it stands: see ``toolkit.codegen.scope``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from toolkit.codegen.names import Namespace

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Alias",
    "Constant",
    "Enum",
    "EnumValue",
    "Field",
    "Import",
    "Literals",
    "Message",
    "Method",
    "Module",
    "Oneof",
    "Package",
    "Service",
    "TypedFields",
]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes:
        name: what its attribute is called, ``from_`` for ``from``.
        proto: its name in the schema.
        getter: the type of the attribute.
        setter: what may be assigned; empty where nothing may.
        argument: what the constructor takes.
        has_presence: whether it can be told from its default.
        docs: what is said of it.
        is_property: whether reading and writing have different types, or it cannot be written.
        is_keyword: whether the constructor takes it by a plain keyword.
    """

    name: str
    proto: str
    getter: str
    setter: str
    argument: str
    has_presence: bool
    docs: str
    is_property: bool
    is_keyword: bool


@dataclass(frozen=True, slots=True)
class Constant:
    """A class attribute: its name and type; of an extension, its full name too."""

    name: str
    type: str
    proto: str = ""


@dataclass(frozen=True, slots=True)
class Oneof:
    """A oneof: its name, and those of its fields, in the schema."""

    name: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnumValue:
    """A value of an enum: its name, which is its attribute too, and its number."""

    name: str
    number: int
    docs: str


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum.

    Attributes:
        name: of the attribute that holds it.
        proto: its full name.
        path: where it is below the module, ``Outer.Kind``.
        wrapper: the class of which it is an instance.
        value: the type of its values.
        names: the type of its values' names.
        values: those that can be attributes.
        words: what ``int``, ``list`` and the like are called in the class.
    """

    name: str
    proto: str
    path: str
    wrapper: str
    value: str
    names: str
    values: tuple[EnumValue, ...]
    docs: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Literals:
    """The type of some literal texts."""

    name: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypedFields:
    """A ``TypedDict`` of fields: what may be given for a message.

    Attributes:
        name: its name.
        is_plain: whether its keys can be written as attributes of a class.
        fields: key and type of each.
    """

    name: str
    is_plain: bool
    fields: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Attributes:
        name: of its class.
        proto: its full name.
        path: where the class is below the module, ``Outer.Inner``.
        bases: of the class, beside protobuf's own.
        fields: all of them.
        constants: field numbers, nested enums and their values, nested extensions.
        present: what ``HasField`` takes.
        clearable: what ``ClearField`` takes.
        extra: the fields that are no plain keywords, as an unpacked ``TypedDict``; empty when all
            are.
        words: what ``bool``, ``Literal`` and the like are called in the class.
    """

    name: str
    proto: str
    path: str
    bases: tuple[str, ...]
    docs: str
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]
    fields: tuple[Field, ...]
    oneofs: tuple[Oneof, ...]
    constants: tuple[Constant, ...]
    present: tuple[str, ...]
    clearable: tuple[str, ...]
    extra: str
    words: Mapping[str, str]

    @property
    def keywords(self) -> tuple[Field, ...]:
        """The fields that the constructor takes by plain keywords."""
        return tuple(field for field in self.fields if field.is_keyword)

    @property
    def extra_name(self) -> str:
        """What those are called together; as no field is."""
        return Namespace(field.proto for field in self.fields).add("extra")

    @property
    def has_self(self) -> bool:
        """Whether a field is called as a method's first argument."""
        return any(field.proto == "self" for field in self.fields)


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service.

    Attributes:
        name: its name as an identifier.
        proto: its name in the schema.
        request: the message that the client sends.
        reply: the message that the server sends.
        given: what a caller may give for a request.
        keywords: the ``TypedDict`` of the request's fields; empty where it has none.
        answer: what a handler may give for a reply.
    """

    name: str
    proto: str
    docs: str
    client_streaming: bool
    server_streaming: bool
    request: str
    reply: str
    given: str
    keywords: str
    answer: str


@dataclass(frozen=True, slots=True)
class Service:
    """A service, and what its six classes are called; ``words`` as for a message."""

    name: str
    proto: str
    docs: str
    methods: tuple[Method, ...]
    words: Mapping[str, str]
    client: str
    async_client: str
    service: str
    async_service: str
    unimplemented: str
    async_unimplemented: str

    @property
    def classes(self) -> tuple[str, ...]:
        """Its six classes."""
        return (
            *(self.client, self.async_client, self.service, self.async_service),
            *(self.unimplemented, self.async_unimplemented),
        )


@dataclass(frozen=True, slots=True)
class Import:
    """What the stub imports of one module: names, or it as a whole by another name.

    Attributes:
        module: its name; a module of the same package begins with a dot.
        names: what is imported of it, sorted.
        alias: what the whole module is called; empty where names are imported.
    """

    module: str
    names: tuple[str, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name for a class, for where its own means something else."""

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Module:
    """The module of one proto package.

    Attributes:
        name: of the module.
        title: what it is, in a line of text.
        symbols: what it leads to, each with its digest, as ``compare`` makes it.
        renamed: what is called otherwise here, by its full name.
        enums: those at its top level; ``every_enum`` has those within messages too.
        exported: the public names, sorted.
    """

    name: str
    title: str
    symbols: tuple[Constant, ...]
    renamed: tuple[Constant, ...]
    imports: tuple[Import, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]
    every_enum: tuple[Enum, ...]
    services: tuple[Service, ...]
    extensions: tuple[Constant, ...]
    literals: tuple[Literals, ...]
    typed_fields: tuple[TypedFields, ...]
    aliases: tuple[Alias, ...]
    words: Mapping[str, str]
    exported: tuple[str, ...]

    @property
    def every_message(self) -> tuple[Message, ...]:
        """The messages, those within others too, the outer one first."""
        found = list(self.messages)
        for message in found:  # grows
            found += message.messages
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Package:
    """All that is generated of one schema.

    Attributes:
        source: what ``toolkit.load`` takes; empty where the schema lies beside.
        name: what the schema is called in comments.
        digest: of the schema's content, for a quick look whether it is the same one.
        symbols: the canonical form of every symbol, as ``compare`` writes it.
        modules: by name.
    """

    source: str
    name: str
    digest: str
    symbols: str
    modules: tuple[Module, ...]
