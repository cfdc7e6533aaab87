"""What generated modules call when they are imported: they bind names to a schema's classes.

Light on purpose: a program that imports a generated module pays for little more than the schema.
"""

from __future__ import annotations

from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

from toolkit.codegen.implementing import (
    AsyncImplementation,
    Client,
    Implementation,
    abstract,
    abstract_async,
    client_method,
    refusing,
    refusing_async,
)
from toolkit.codegen.names import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.schema.compare import Structure
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["Binding", "ModuleBinding"]

# On an instance protobuf finds its own fields first; these are what shows on the class.
_READ = property(lambda _: None)
_WRITE = property(lambda _: None, lambda _, __: None)
# What may be assigned to, though it is a message: protobuf takes a datetime, a mapping ... there.
_ASSIGNABLE = frozenset(
    f"google.protobuf.{name}" for name in ("Duration", "ListValue", "Struct", "Timestamp")
)


class Binding:
    """The schema that a generated package is bound to.

    Attributes:
        schema: it.
    """

    def __init__(self, source: str, folder: str, *, digest: str) -> None:
        """Load the schema.

        Args:
            source: what ``toolkit.load`` takes; empty for the descriptor set beside the modules.
            folder: of the package, as its ``__file__``.
            digest: of the schema's content when the package was generated.

        Raises:
            SchemaError: there is no such schema, or none that is sound.
        """
        from toolkit.schema.load import load

        self._folder = Path(folder).parent
        self.schema = load(source or self._folder / "schema.binpb")
        self._is_same = self.schema.digest.hex() == digest

    @cached_property
    def _structure(self) -> Structure:
        from toolkit.schema.compare import structure_of

        return structure_of(self.schema)

    def module(
        self, name: str, symbols: Mapping[str, str], renamed: Mapping[str, str]
    ) -> ModuleBinding:
        """What binds the names of one module.

        Args:
            name: of the module.
            symbols: the digest of each symbol that the module leads to.
            renamed: what is called otherwise here, by its full name in the schema.

        Raises:
            SchemaError: a symbol was removed or changed since; the text says how.
        """
        if not self._is_same:
            from toolkit.codegen.checking import check  # only where something is new

            check(self.schema, self._structure, name, symbols, self._folder)
        return ModuleBinding(self.schema, name, renamed)


class _Known(NamedTuple):
    """A service, and what is generated of it: what each method is called."""

    service: Service
    methods: Mapping[str, str]


class ModuleBinding:
    """Binds the names of one module; each method gives what the module calls by a name."""

    def __init__(self, schema: Schema, module: str, renamed: Mapping[str, str]) -> None:
        self._schema = schema
        self._module = module
        self._renamed = renamed
        self._values: dict[str, type[int]] = {}

    def message(self, name: str) -> Any:
        """The class of the message of this full name, and all that is nested in it."""
        descriptor = self._schema.pool.FindMessageTypeByName(name)
        return self._message(descriptor, self._name(descriptor))

    def enum(self, name: str) -> EnumTypeWrapper:
        """The enum of this full name: its values are attributes."""
        descriptor = self._schema.pool.FindEnumTypeByName(name)
        return self._enum(descriptor, self._name(descriptor))

    def value(self, enum: str, name: str) -> type[int]:
        """The type of an enum's values, called ``name``: to make one of a number, or to annotate.

        Protobuf's own values are plain numbers; for type checkers this is a ``NewType``.
        """
        members = {"__module__": self._module, "__slots__": (), "__init__": _value_init}
        made = self._values[enum] = type(name, (int,), members)
        return made

    def extension(self, name: str) -> Any:
        """The descriptor of an extension, for ``message.Extensions[...]``."""
        return self._schema.pool.FindExtensionByName(name)

    def service(
        self, name: str, *classes: str, methods: Mapping[str, str]
    ) -> tuple[type[Any], ...]:
        """The classes of a service: its clients, and what its servers implement.

        Args:
            name: the service's full name.
            classes: what they are called.
            methods: what each method is called in them. A method that the schema has got since is
                in none of them, so that implementations stay whole.
        """
        service = _Known(self._schema.service(name), methods)
        client, async_client, plain, async_plain, without, async_without = classes
        served = self._class(plain, Implementation, service, abstract)
        async_served = self._class(async_plain, AsyncImplementation, service, abstract_async)
        return (
            self._class(client, Client, service, client_method),
            self._class(async_client, Client, service, client_method),
            served,
            async_served,
            self._class(without, served, service, refusing),
            self._class(async_without, async_served, service, refusing_async),
        )

    def _name(self, descriptor: Any) -> str:
        return self._renamed.get(descriptor.full_name) or str(descriptor.name)

    def _message(self, descriptor: Any, path: str) -> Any:
        cls: Any = GetMessageClass(descriptor)
        cls.__module__, cls.__qualname__ = self._module, path
        cls.__name__ = path.rpartition(".")[2]
        for field in descriptor.fields:
            message = field.message_type
            if field.is_repeated or message is not None:
                known = not field.is_repeated and message.full_name in _ASSIGNABLE
                setattr(cls, self._name(field), _WRITE if known else _READ)
            elif field.enum_type is not None:
                setattr(cls, self._name(field), _WRITE)
            if field.full_name in self._renamed:
                setattr(cls, self._name(field), property(attrgetter(field.name)))
        self._add_nested(cls, descriptor, path)
        return cls

    def _add_nested(self, cls: Any, descriptor: Any, path: str) -> None:
        for nested in descriptor.nested_types:
            if not _is_map_entry(descriptor, nested):
                name = self._name(nested)
                setattr(cls, name, self._message(nested, f"{path}.{name}"))
        for enum in descriptor.enum_types:
            name = self._name(enum)
            setattr(cls, name, self._enum(enum, f"{path}.{name}"))
            kind = self._values.get(enum.full_name)
            if kind is None:  # the schema has got it since
                continue
            for value in enum.values:
                # Where the class has something else of that name, it stays.
                if is_plain(value.name) and isinstance(getattr(cls, value.name, None), int):
                    setattr(cls, value.name, kind(value.number))

    def _enum(self, descriptor: Any, path: str) -> EnumTypeWrapper:
        # A class of its own, so that a type checker and Python agree on what an enum is.
        name = f"_{path.replace('.', '_')}Enum"
        cls = type(name, (EnumTypeWrapper,), {"__module__": self._module})
        enum: EnumTypeWrapper = cls(descriptor)
        return enum

    def _class(
        self, name: str, base: type, known: _Known, method: Callable[[Method], Any]
    ) -> type[Any]:
        service, methods = known
        members: dict[str, Any] = {
            methods[one.name]: method(one) for one in service.methods if one.name in methods
        }
        for attribute, function in members.items():
            function.__name__, function.__qualname__ = attribute, f"{name}.{attribute}"
            function.__module__ = self._module
        members |= {"__module__": self._module, "__service__": service, "__methods__": methods}
        made: type[Any] = type(base)(name, (base,), members)
        return made


def _is_map_entry(message: Any, nested: Any) -> bool:
    """Whether a nested message is what the compiler makes of a map, told by how that looks.

    Its options say so, but to ask for them costs 5 ms: protobuf imports ``descriptor_pb2`` then.
    """
    if not nested.has_options or [field.name for field in nested.fields] != ["key", "value"]:
        return False
    holders = [field for field in message.fields if field.message_type is nested]
    return len(holders) == 1 and nested.name.endswith("Entry")


def _value_init(self: int, item: int) -> None:
    """As a ``NewType`` is called."""
