"""Messages and enums of one module as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from toolkit.codegen.model import (
    Constant,
    Enum,
    EnumValue,
    Field,
    Message,
    Oneof,
    TypedFields,
)
from toolkit.codegen.names import is_plain
from toolkit.codegen.scope import Scope
from toolkit.schema.building import map_entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.codegen.docs import Docs
    from toolkit.codegen.scope import StubModule

__all__ = ["MessageBuilder"]

_F = FieldDescriptor
_SCALARS = {
    **dict.fromkeys((_F.TYPE_DOUBLE, _F.TYPE_FLOAT), "float"),
    _F.TYPE_BOOL: "bool",
    _F.TYPE_STRING: "str",
    _F.TYPE_BYTES: "bytes",
}
# What protobuf takes in place of a well-known type, in assignments and in constructors.
_STANDS_FOR = {
    "google.protobuf.Duration": "timedelta",
    "google.protobuf.ListValue": "list",
    "google.protobuf.Struct": "dict",
    "google.protobuf.Timestamp": "datetime",
}
_MIXINS = frozenset(
    f"google.protobuf.{name}"
    for name in ("Any", "Duration", "FieldMask", "ListValue", "Struct", "Timestamp")
)


class MessageBuilder:
    """Builds the messages and enums of a module.

    Attributes:
        enums: all that were built, those within messages too.
    """

    def __init__(self, stub: StubModule, docs: Docs) -> None:
        self._stub = stub
        self._naming = stub.naming
        self._docs = docs
        self._typed: dict[str, TypedFields] = {}
        self.enums: list[Enum] = []

    def message(self, message: Any) -> Message:
        """A message, with all that is nested in it."""
        members = self._naming.members(message)
        scope = Scope(self._stub, members.local)
        path = self._naming.paths[message.full_name]
        fields = tuple(self._field(field, scope) for field in message.fields)
        extra = [field for field in fields if not field.is_keyword]
        oneofs = tuple(
            Oneof(one.name, tuple(field.name for field in one.fields)) for one in message.oneofs
        )
        present = [field.proto for field in fields if field.has_presence]
        names = [one.name for one in oneofs]
        bases = [scope("Message")]
        if message.full_name in _MIXINS:
            bases.append(scope(f"{message.name}Mixin"))
        enums = tuple(self.enum(enum) for enum in message.enum_types)
        title = f"``{message.full_name}``"
        return Message(
            name=path.rpartition(".")[2],
            proto=message.full_name,
            path=path,
            bases=tuple(bases),
            docs=self._docs.of(message.full_name, title=title),
            messages=tuple(
                self.message(one) for one in message.nested_types if one.full_name in members.nested
            ),
            enums=enums,
            fields=fields,
            oneofs=oneofs,
            constants=tuple(self._constants(message, members.constants, scope)),
            present=tuple(present + names),
            clearable=tuple([field.proto for field in fields] + names),
            extra=self._extra(message, extra, scope) if extra else "",
            words=scope.words(
                *_words(fields, oneofs, has_constants=bool(members.constants or enums)),
                *(("Literal",) if fields or oneofs else ()),
                *(("final",) if members.nested else ()),
                *(() if present or names else ("Never",)),
            ),
        )

    def enum(self, enum: Any) -> Enum:
        """An enum."""
        path = self._naming.paths[enum.full_name]
        flat = path.replace(".", "_")
        scope = Scope(self._stub, {value.name for value in enum.values})
        names = self._stub.names
        found = Enum(
            name=path.rpartition(".")[2],
            proto=enum.full_name,
            path=path,
            wrapper=names.add(f"_{flat}Enum"),
            value=self._naming.enum_values[enum.full_name],
            names=self._enum_names(enum),
            values=tuple(
                EnumValue(
                    value.name,
                    value.number,
                    self._docs.of(f"{enum.full_name}.{value.name}", within=enum.full_name),
                )
                for value in enum.values
                if is_plain(value.name) and value.name not in _WRAPPER_NAMES
            ),
            docs=self._docs.of(enum.full_name, title=f"``{enum.full_name}``"),
            words=scope.words("EnumDescriptor", "int", "list", "str", "tuple"),
        )
        self.enums.append(found)
        return found

    def fields_of(self, message: Any) -> str:
        """The ``TypedDict`` of a message's fields, in whichever module it is; what stands for it.

        It is private to each module: a type checker compares such types by their fields.
        """
        name = f"_{self._naming.paths[message.full_name].replace('.', '_')}Fields"
        if message.file.package != self._stub_package():
            name = f"_{self._naming.modules[message.file.package]}{name}"
        known = self._typed.get(message.full_name)
        if known is not None:
            return known.name
        name = self._stub.names.add(name)
        self._typed[message.full_name] = TypedFields(name, is_plain=True, fields=())
        self._typed[message.full_name] = self._typed_fields(name, message.fields)
        return name

    def keywords_of(self, message: Any, taken: frozenset[str]) -> str:
        """The ``TypedDict`` of what can be given by keywords beside those that are taken."""
        if not message.fields:
            return ""
        left = [field for field in message.fields if field.name not in taken]
        if len(left) == len(message.fields):
            return self.fields_of(message)
        name = self._stub.names.add(
            f"_{self._naming.paths[message.full_name].replace('.', '_')}Keywords"
        )
        self._typed[f"{message.full_name} as keywords"] = self._typed_fields(name, left)
        return name if left else ""

    def typed_fields(self) -> tuple[TypedFields, ...]:
        """All that were needed."""
        return tuple(sorted(self._typed.values(), key=lambda one: one.name))

    def value_type(self, message: Any, scope: Scope) -> str:
        """What may be given for a message: itself, a mapping of its fields, what stands for it."""
        own = scope.reference(message)
        stands_for = _STANDS_FOR.get(message.full_name)
        match stands_for:
            case "dict":
                return f"{own} | {scope('Mapping')}[{scope('str')}, {scope('Any')}]"
            case "list":
                return f"{own} | {scope('Iterable')}[{scope('Any')}]"
            case None:
                return f"{own} | {self.fields_of(message)}"
            case _:
                return f"{own} | {scope(stands_for)} | {self.fields_of(message)}"

    def _stub_package(self) -> str:
        return next(
            package for package, name in self._naming.modules.items() if name == self._stub.name
        )

    def _typed_fields(self, name: str, fields: Any) -> TypedFields:
        keys = [field.name for field in fields]
        plain = all(is_plain(key) and not key.startswith("__") for key in keys)
        scope = Scope(self._stub, keys if plain else ())
        return TypedFields(
            name,
            plain,
            tuple(Constant(field.name, self._argument(field, scope)) for field in fields),
        )

    def _extra(self, message: Any, extra: list[Field], scope: Scope) -> str:
        path = self._naming.paths[message.full_name].replace(".", "_")
        name = self._stub.names.add(f"_{path}Extra")
        known = {field.proto for field in extra}
        fields = [field for field in message.fields if field.name in known]
        self._typed[f"{message.full_name} beside keywords"] = self._typed_fields(name, fields)
        return f"{scope('Unpack')}[{name}]"

    def _field(self, field: Any, scope: Scope) -> Field:
        attribute = self._naming.members(field.containing_type).fields[field.name]
        getter, setter = self._getter(field, scope), self._setter(field, scope)
        return Field(
            name=attribute,
            proto=field.name,
            getter=getter,
            setter=setter if attribute == field.name else "",
            argument=self._argument(field, scope),
            has_presence=field.has_presence,
            docs=self._docs.of(
                f"{field.containing_type.full_name}.{field.name}",
                within=field.containing_type.full_name,
            ),
            is_property=getter != setter or attribute != field.name,
            is_keyword=attribute == field.name
            and field.name != "self"
            and not field.name.startswith("__"),
        )

    def _single(self, field: Any, scope: Scope) -> str:
        """The type of one value of a field."""
        if field.message_type is not None:
            return scope.reference(field.message_type)
        if field.enum_type is not None:
            return self._enum_value(field.enum_type, scope)
        return scope(_SCALARS.get(field.type, "int"))

    def _getter(self, field: Any, scope: Scope) -> str:
        entry = map_entry(field)
        if entry is not None:
            key, value = (self._single(one, scope) for one in entry)
            kind = "ScalarMap" if entry[1].message_type is None else "MessageMap"
            return f"{scope(kind)}[{key}, {value}]"
        single = self._single(field, scope)
        if field.is_repeated:
            kind = "Scalar" if field.message_type is None else "Composite"
            return f"{scope(f'Repeated{kind}FieldContainer')}[{single}]"
        return single

    def _setter(self, field: Any, scope: Scope) -> str:
        if field.is_repeated:
            return ""
        if field.message_type is None:
            return self._given(field, scope)
        match _STANDS_FOR.get(field.message_type.full_name):
            case None:
                return ""
            case "dict":
                return f"{scope('Mapping')}[{scope('str')}, {scope('Any')}]"
            case "list":
                return f"{scope('Iterable')}[{scope('Any')}]"
            case stands_for:
                return scope(stands_for)

    def _given(self, field: Any, scope: Scope) -> str:
        """What may be given for one value that is no message."""
        if field.enum_type is not None:
            names = self._enum_names(field.enum_type)
            return f"{self._enum_value(field.enum_type, scope)} | {names}"
        return scope(_SCALARS.get(field.type, "int"))

    def _argument(self, field: Any, scope: Scope) -> str:
        entry = map_entry(field)
        if entry is not None:
            key = self._given(entry[0], scope)
            return f"{scope('Mapping')}[{key}, {self._element(entry[1], scope, plain=True)}] | None"
        element = self._element(field, scope)
        if field.is_repeated:
            return f"{scope('Iterable')}[{element}] | None"
        return f"{element} | None" if field.has_presence else element

    def _element(self, field: Any, scope: Scope, *, plain: bool = False) -> str:
        if field.message_type is None:
            return self._given(field, scope)
        if plain:  # protobuf takes a datetime in a list, but not in a map
            own = scope.reference(field.message_type)
            return f"{own} | {self.fields_of(field.message_type)}"
        return self.value_type(field.message_type, scope)

    def _enum_value(self, enum: Any, scope: Scope) -> str:
        return scope.path(enum.file.package, self._naming.enum_values[enum.full_name])

    def _enum_names(self, enum: Any) -> str:
        return self._stub.enum_names(enum)

    def _constants(self, message: Any, names: list[str], scope: Scope) -> list[Constant]:
        of_values = {
            value.name: self._enum_value(enum, scope)
            for enum in message.enum_types
            for value in enum.values
        }
        extensions = {extension.name for extension in message.extensions}
        return [
            Constant(
                name,
                scope("Any") if name in extensions else of_values.get(name, scope("int")),
            )
            for name in names
        ]


def _words(
    fields: Sequence[Field], oneofs: Sequence[Oneof], *, has_constants: bool
) -> Iterator[str]:
    """What the class of a message is written with, beside the types of its fields."""
    yield "bool"
    if has_constants:
        yield "ClassVar"
    if any(field.is_property for field in fields):
        yield "property"
    if len(oneofs) > 1:
        yield "overload"
    if not oneofs:
        yield "Never"


_WRAPPER_NAMES = frozenset({"DESCRIPTOR", "Name", "Value", "items", "keys", "values"})
