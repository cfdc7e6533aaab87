"""A schema as plain data for the templates: names, types and words of every module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.codegen.docs import Docs
from toolkit.codegen.messages import MessageBuilder
from toolkit.codegen.model import Constant, Module, Package
from toolkit.codegen.names import safe
from toolkit.codegen.scope import Naming, Scope, StubModule
from toolkit.codegen.services import ServiceBuilder, service_names
from toolkit.schema.compare import structure_of
from toolkit.schema.likeness import leads_to, reachable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.schema.pool import Schema

__all__ = ["build"]

_ENGINE = "google.protobuf"
_RESERVED = ("bind", "_schema", "_bind")  # what a module has beside the schema's names


def build(schema: Schema, source: str, services: Sequence[str] = ()) -> Package:
    """What is generated of a schema.

    Args:
        schema: of whatever source.
        source: what ``toolkit.load`` takes for it; empty where a descriptor set lies beside.
        services: only these services, by full name, and what they need; all there is without.

    Raises:
        SymbolNotFound: there is no such service.
    """
    return _Builder(schema, [schema.service(name).descriptor for name in services]).package(source)


class _Builder:
    def __init__(self, schema: Schema, services: Sequence[Any]) -> None:
        self._schema = schema
        self._docs = Docs(schema)
        self._structure = structure_of(schema)
        files = _files(schema)
        self._services = [
            service
            for file in files
            for service in file.services_by_name.values()
            if not services or service in services
        ]
        self._wanted = _wanted(files, services)
        self._files = [file for file in files if self._has_content(file)]
        self._naming = Naming(self._files)

    def package(self, source: str) -> Package:
        stubs = {package: self._named(package) for package in self._naming.modules}
        modules = tuple(self._module(package, stub) for package, stub in stubs.items())
        held = {symbol.name for module in modules for symbol in module.symbols}
        symbols = {name: symbol for name, symbol in self._structure.items() if name in held}
        return Package(
            source=source,
            name=self._schema.name,
            digest=self._schema.digest.hex(),
            symbols="\n\n".join(symbol.text for symbol in symbols.values()) + "\n",
            modules=modules,
        )

    def _has_content(self, file: Any) -> bool:
        declared = [*file.message_types_by_name.values(), *file.enum_types_by_name.values()]
        return any(one.full_name in self._wanted for one in declared) or any(
            service in self._services for service in file.services_by_name.values()
        )

    def _named(self, package: str) -> StubModule:
        """The module of a package, with every name at its top level decided."""
        naming = self._naming
        messages, enums = self._declared(package)
        services = self._package_services(package)
        hidden = {name for name in _names_within(messages, services) if name.startswith("_")}
        stub = StubModule(naming.modules[package], naming, _RESERVED, hidden)
        for message in messages:
            _name_message(naming, message, stub.names.add(safe(message.name)))
        for enum in enums:
            naming.paths[enum.full_name] = stub.names.add(safe(enum.name))
        for extension in self._extensions(package):
            naming.paths[extension.full_name] = stub.names.add(safe(extension.name))
        for enum in [*enums, *_nested_enums(messages)]:
            name = naming.paths[enum.full_name].replace(".", "_")
            naming.enum_values[enum.full_name] = stub.names.add(f"{name}Value")
        for service in services:
            naming.services[service.full_name] = service_names(safe(service.name), stub.names)
        stub.reserve_hidden()
        return stub

    def _module(self, package: str, stub: StubModule) -> Module:
        builder = MessageBuilder(stub, self._docs)
        messages, enums = self._declared(package)
        built_messages = tuple(builder.message(message) for message in messages)
        built_enums = tuple(builder.enum(enum) for enum in enums)
        found = self._package_services(package)
        services = tuple(ServiceBuilder(stub, builder, self._docs).service(one) for one in found)
        scope = Scope(stub, ())
        extensions = tuple(
            Constant(self._naming.paths[one.full_name], scope("Any"), one.full_name)
            for one in self._extensions(package)
        )
        typed = builder.typed_fields()
        literals = stub.literals()
        words = scope.words(
            *(("final",) if built_messages else ()),
            *(("NewType", "int") if builder.enums else ()),
            *(("Literal",) if literals else ()),
            *(("TypedDict",) if typed else ()),
            *(("TypeAlias",) if literals or stub.aliases() else ()),
        )
        exported = [one.name for one in built_messages]
        exported += [one.name for one in built_enums]
        exported += [one.name for one in extensions]
        exported += [one.value for one in builder.enums]
        for service in services:
            exported += service.classes
        return Module(
            name=stub.name,
            title=f"{package or 'What is in no package'}, of {self._schema.name}",
            symbols=tuple(self._symbols(package)),
            renamed=tuple(self._renamed(messages, enums)),
            messages=built_messages,
            enums=built_enums,
            every_enum=tuple(builder.enums),
            services=services,
            extensions=extensions,
            literals=literals,
            typed_fields=typed,
            words=words,
            exported=tuple(sorted(exported)),
            aliases=stub.aliases(),
            imports=stub.imports(),
        )

    def _declared(self, package: str) -> tuple[list[Any], list[Any]]:
        files = self._naming.by_package[package]
        messages = [one for file in files for one in file.message_types_by_name.values()]
        enums = [one for file in files for one in file.enum_types_by_name.values()]
        return (
            [one for one in messages if one.full_name in self._wanted],
            [one for one in enums if one.full_name in self._wanted],
        )

    def _extensions(self, package: str) -> list[Any]:
        if package == _ENGINE:
            return []
        files = self._naming.by_package[package]
        return [one for file in files for one in file.extensions_by_name.values()]

    def _every_extension(self, package: str) -> list[Any]:
        nested = _with_nested(self._declared(package)[0])
        return [*self._extensions(package), *(one for held in nested for one in held.extensions)]

    def _package_services(self, package: str) -> list[Any]:
        return [one for one in self._services if one.file.package == package]

    def _symbols(self, package: str) -> Iterator[Constant]:
        """Everything that the module of a package leads to, with its digest."""
        names: set[str] = set()
        messages, enums = self._declared(package)
        nested = [one for one in self._wanted_messages() if one.file.package == package]
        for one in (*messages, *nested, *enums, *self._package_services(package)):
            names |= reachable(one)
        names |= {one.full_name for one in self._every_extension(package)}
        for name in sorted(names & self._structure.keys()):
            yield Constant(name, self._structure[name].digest)

    def _wanted_messages(self) -> list[Any]:
        return _with_nested(
            one for package in self._naming.modules for one in self._declared(package)[0]
        )

    def _renamed(self, messages: Sequence[Any], enums: Sequence[Any]) -> Iterator[Constant]:
        """What is called otherwise in Python than in the schema."""
        naming = self._naming
        named: dict[str, str] = {}
        every = _with_nested(messages)
        for one in (*every, *enums, *_nested_enums(messages)):
            if one.full_name in naming.paths:  # entries of maps are not
                named[one.full_name] = naming.paths[one.full_name].rpartition(".")[2]
        for message in every:
            for name, attribute in naming.members(message).fields.items():
                named[f"{message.full_name}.{name}"] = attribute
        for full_name, name in named.items():
            if full_name.rpartition(".")[2] != name:
                yield Constant(full_name, name)


def _files(schema: Schema) -> list[Any]:
    return [schema.pool.FindFileByName(name) for name in schema.files()]


def _wanted(files: Iterable[Any], services: Sequence[Any]) -> set[str]:
    """The messages and enums to generate: all but the engine's, and of these what others need."""
    pending = list(services)
    for file in () if services else files:
        if file.package != _ENGINE:
            pending += file.message_types_by_name.values()
            pending += file.enum_types_by_name.values()
            pending += file.services_by_name.values()
    names: set[str] = set()
    while pending:
        one = pending.pop()
        if one.full_name in names:
            continue
        names.add(one.full_name)
        pending += leads_to(one)
        # A nested message comes with the one around it, and that with all that is in it.
        pending += getattr(one, "nested_types", ())
        pending += getattr(one, "enum_types", ())
        outer = getattr(one, "containing_type", None)
        if outer is not None:
            pending.append(outer)
    return names


def _name_message(naming: Naming, message: Any, path: str) -> None:
    """Decide what a message and all in it are called."""
    naming.paths[message.full_name] = path
    names = naming.members(message).nested
    for nested in message.nested_types:
        if nested.full_name in names:
            _name_message(naming, nested, f"{path}.{names[nested.full_name]}")
    for enum in message.enum_types:
        naming.paths[enum.full_name] = f"{path}.{names[enum.full_name]}"


def _names_within(messages: Iterable[Any], services: Iterable[Any]) -> Iterator[str]:
    """The names that are local to a class somewhere."""
    for message in _with_nested(messages):
        parts = (message.fields, message.nested_types, message.enum_types, message.extensions)
        yield from (one.name for part in parts for one in part)
        yield from (value.name for enum in message.enum_types for value in enum.values)
    yield from (method.name for service in services for method in service.methods)


def _nested_enums(messages: Iterable[Any]) -> list[Any]:
    return [enum for message in _with_nested(messages) for enum in message.enum_types]


def _with_nested(messages: Iterable[Any]) -> list[Any]:
    found = list(messages)
    for message in found:  # grows
        found += message.nested_types
    return found
