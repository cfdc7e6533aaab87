"""What of a schema counts on the wire and in JSON: its canonical form, digests and differences.

The canonical form of a symbol is text, a line for its kind and name, then a line for each member:

    message containerd.task.v2.StateResponse
    1 id string
    5 exited_at google.protobuf.Timestamp
    ...

* message: ``NUMBER NAME TYPE``, by number. A type is a scalar or a full name without a leading dot,
  behind ``repeated``, ``required``, ``optional`` (a scalar that can be told from its default) or
  ``group``; ``map<K, V>``; a oneof's name follows in ``oneof(NAME)``.
* enum: ``NUMBER NAME``, by number, then name.
* service: ``NAME REQUEST -> REPLY``, by name; a side that streams has ``stream`` before it.
* extension: ``NUMBER EXTENDEE TYPE``.

Options, defaults, JSON names, comments, file names and the order of declarations are not in it, nor
are ``google.protobuf`` (the engine has its own) and extensions of its options. The digest of a
symbol is the SHA-256 of this text; that of a schema, the SHA-256 of one line ``SYMBOL DIGEST`` for
each symbol, by name. Recorded digests depend on all of this: it may not change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    ServiceDescriptor,
)

from toolkit.schema.printing.typenames import SCALARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import FileDescriptor, MethodDescriptor, OneofDescriptor

__all__ = [
    "Difference",
    "HasSymbols",
    "Member",
    "Structure",
    "Symbol",
    "differences",
    "digest",
    "digests",
    "structure",
    "structure_of",
]


class Member(NamedTuple):
    """A field, an enum's value or a method.

    Attributes:
        number: of a field or value; 0 for a method.
        name: its short name.
        type: what the canonical form says behind the name; empty for an enum's value.
    """

    number: int
    name: str
    type: str = ""


class Symbol(NamedTuple):
    """A message, enum, service or extension in its canonical form."""

    kind: str
    name: str
    members: tuple[Member, ...]

    @property
    def text(self) -> str:
        """The canonical form; see above."""
        return "\n".join([f"{self.kind} {self.name}", *map(self._line, self.members)])

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical form."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def _line(self, member: Member) -> str:
        if self.kind == "service":
            return f"{member.name} {member.type}"
        return f"{member.number} {member.name} {member.type}".rstrip()


class HasSymbols(Protocol):
    """A schema, as far as this module needs one."""

    def symbols(self) -> Mapping[str, Any]:
        """The descriptors of all that it declares, by full name."""


Structure = Mapping[str, Symbol]  # by full name


class Difference(NamedTuple):
    """One thing that is not the same in two schemas.

    Attributes:
        kind: ``added``, ``removed`` or ``changed``.
        symbol: the full name of the message, enum, service or extension.
        text: the whole sentence.
    """

    kind: str
    symbol: str
    text: str


def structure(files: Iterable[FileDescriptor]) -> Structure:
    """Every symbol of the files in its canonical form."""
    found: dict[str, Symbol] = {}
    for file in files:
        if not _is_engine(file.package):
            found.update((symbol.name, symbol) for symbol in _of_file(file))
    return dict(sorted(found.items()))


def structure_of(schema: HasSymbols | Structure) -> Structure:
    """Every symbol of a schema in its canonical form; a structure is its own."""
    if isinstance(schema, Mapping):
        return schema
    holders = (Descriptor, EnumDescriptor, ServiceDescriptor, FieldDescriptor)
    declared = [one for one in schema.symbols().values() if isinstance(one, holders)]
    files = {one.file.name: one.file for one in declared}  # type: ignore[union-attr]  # it has one
    return structure(files.values())


def digests(schema: HasSymbols | Structure) -> dict[str, str]:
    """The digest of each symbol, by full name."""
    return {name: symbol.digest for name, symbol in structure_of(schema).items()}


def digest(schema: HasSymbols | Structure) -> str:
    """The digest of the whole."""
    lines = [f"{name} {one}\n" for name, one in sorted(digests(schema).items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def differences(old: HasSymbols | Structure, new: HasSymbols | Structure) -> list[Difference]:
    """What makes the old schema into the new one, by symbol."""
    found: list[Difference] = []
    olds, news = structure_of(old), structure_of(new)
    for name in sorted(olds.keys() | news.keys()):
        before, after = olds.get(name), news.get(name)
        if before == after:
            continue
        if before is None or after is None or before.kind != after.kind:
            if before is not None:
                found.append(Difference("removed", name, f"{before.kind} {name} removed"))
            if after is not None:
                found.append(Difference("added", name, f"{after.kind} {name} added"))
        else:
            found += _within(before, after)
    return found


def _is_engine(package: str) -> bool:
    return package == "google.protobuf" or package.startswith("google.protobuf.")


# The canonical form


def _of_file(file: FileDescriptor) -> Iterator[Symbol]:
    for message in file.message_types_by_name.values():
        yield from _of_message(message)
    for enum in file.enum_types_by_name.values():
        yield _enum(enum)
    for service in file.services_by_name.values():
        yield _service(service)
    yield from _extensions(file.extensions_by_name.values())


def _of_message(message: Descriptor) -> Iterator[Symbol]:
    if message.GetOptions().map_entry:
        return
    fields = sorted(message.fields, key=lambda field: field.number)
    members = tuple(Member(field.number, field.name, _type(field)) for field in fields)
    yield Symbol("message", message.full_name, members)
    for nested in message.nested_types:
        yield from _of_message(nested)
    yield from map(_enum, message.enum_types)
    yield from _extensions(message.extensions)


def _enum(enum: EnumDescriptor) -> Symbol:
    values = sorted((value.number, value.name) for value in enum.values)
    return Symbol("enum", enum.full_name, tuple(Member(*value) for value in values))


def _service(service: ServiceDescriptor) -> Symbol:
    methods = sorted(service.methods, key=lambda method: method.name)
    members = tuple(Member(0, method.name, _signature(method)) for method in methods)
    return Symbol("service", service.full_name, members)


def _extensions(extensions: Iterable[FieldDescriptor]) -> Iterator[Symbol]:
    for extension in extensions:
        extendee = extension.containing_type
        assert extendee is not None
        if not _is_engine(extendee.file.package):
            member = Member(extension.number, extendee.full_name, _type(extension))
            yield Symbol("extension", extension.full_name, (member,))


def _signature(method: MethodDescriptor) -> str:
    request = ("stream " if method.client_streaming else "") + method.input_type.full_name
    reply = ("stream " if method.server_streaming else "") + method.output_type.full_name
    return f"{request} -> {reply}"


def _type(field: FieldDescriptor) -> str:
    message = field.message_type
    if message is not None and message.GetOptions().map_entry:
        key, value = message.fields
        return f"map<{_plain_type(key)}, {_plain_type(value)}>"
    text = _plain_type(field)
    if field.is_repeated:
        return f"repeated {text}"
    if field.is_required:
        return f"required {text}"
    oneof = field.containing_oneof
    if oneof is not None and not _is_synthetic(oneof):
        return f"{text} oneof({oneof.name})"
    if field.has_presence and message is None:
        return f"optional {text}"
    return text


def _is_synthetic(oneof: OneofDescriptor) -> bool:
    """Whether it is only there for a proto3 ``optional``, and so no part of the interface."""
    names = [field.name for field in oneof.fields]
    # descriptor.proto: the compiler names it after its one field, with X's in front if taken.
    return len(names) == 1 and oneof.name.lstrip("X") == f"_{names[0]}"


def _plain_type(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        group = "group " if field.type == FieldDescriptor.TYPE_GROUP else ""
        return group + str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return SCALARS[field.type]


# Differences


def _within(old: Symbol, new: Symbol) -> Iterator[Difference]:
    match old.kind:
        case "service":
            return _methods(old, new)
        case "enum":
            return _values(old, new)
        case _:
            return _fields(old, new)


def _methods(old: Symbol, new: Symbol) -> Iterator[Difference]:
    before = {member.name: member.type for member in old.members}
    after = {member.name: member.type for member in new.members}
    for name in sorted(before.keys() | after.keys()):
        what = f"{old.name}: method {name}"
        if name not in after:
            yield Difference("removed", old.name, f"{what} removed")
        elif name not in before:
            yield Difference("added", old.name, f"{what} ({after[name]}) added")
        elif before[name] != after[name]:
            text = f"{what} was ({before[name]}), is ({after[name]})"
            yield Difference("changed", old.name, text)


def _values(old: Symbol, new: Symbol) -> Iterator[Difference]:
    before, after = _names_by_number(old), _names_by_number(new)
    for number in sorted(before.keys() | after.keys()):
        was, now = before.get(number), after.get(number)
        what = f"{old.name}: value {number}"
        if now is None:
            yield Difference("removed", old.name, f"{what} {was} removed")
        elif was is None:
            yield Difference("added", old.name, f"{what} {now} added")
        elif was != now:
            yield Difference("changed", old.name, f"{what} was {was}, is {now}")


def _names_by_number(enum: Symbol) -> dict[int, str]:
    names: dict[int, str] = {}
    for member in enum.members:  # with aliases, one number has several names
        known = names.get(member.number)
        names[member.number] = f"{known} or {member.name}" if known else member.name
    return names


def _fields(old: Symbol, new: Symbol) -> Iterator[Difference]:
    before = {member.number: member for member in old.members}
    after = {member.number: member for member in new.members}
    for number in sorted(before.keys() | after.keys()):
        was, now = before.get(number), after.get(number)
        what = f"{old.name}: field {number}"
        if now is None:
            assert was is not None
            yield Difference("removed", old.name, f"{what} {was.name} ({was.type}) removed")
        elif was is None:
            yield Difference("added", old.name, f"{what} {now.name} ({now.type}) added")
        elif was.type == now.type and was.name != now.name:
            yield Difference("changed", old.name, f"{what} {was.name} is now called {now.name}")
        elif was != now:
            text = f"{what} was {was.name} ({was.type}), is {now.name} ({now.type})"
            yield Difference("changed", old.name, text)
