"""What generated modules call when they are imported: they bind names to a schema's classes.

Light on purpose: a program that imports a generated module pays for little more than the schema.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

from toolkit.codegen.names import is_plain
from toolkit.errors import RpcError
from toolkit.rpc import stub
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["AsyncImplementation", "Binding", "Client", "Implementation", "ModuleBinding"]

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

            check(self.schema, name, symbols, self._folder)
        return ModuleBinding(self.schema, name, renamed)


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

    def service(self, name: str, *classes: str) -> tuple[type[Any], ...]:
        """The classes of a service, by their names: its clients, and what its servers implement."""
        service = self._schema.service(name)
        client, async_client, plain, async_plain, without, async_without = classes
        served = self._class(plain, Implementation, service, _abstract)
        async_served = self._class(async_plain, AsyncImplementation, service, _abstract_async)
        return (
            self._class(client, Client, service, _client_method),
            self._class(async_client, Client, service, _client_method),
            served,
            async_served,
            self._class(without, served, service, _refusing),
            self._class(async_without, async_served, service, _refusing_async),
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
        for nested in descriptor.nested_types:
            if not _is_map_entry(descriptor, nested):
                name = self._name(nested)
                setattr(cls, name, self._message(nested, f"{path}.{name}"))
        for enum in descriptor.enum_types:
            name = self._name(enum)
            setattr(cls, name, self._enum(enum, f"{path}.{name}"))
            for value in filter(lambda one: is_plain(one.name), enum.values):
                setattr(cls, value.name, self._values[enum.full_name](value.number))
        return cls

    def _enum(self, descriptor: Any, path: str) -> EnumTypeWrapper:
        # A class of its own, so that a type checker and Python agree on what an enum is.
        name = f"_{path.replace('.', '_')}Enum"
        cls = type(name, (EnumTypeWrapper,), {"__module__": self._module})
        enum: EnumTypeWrapper = cls(descriptor)
        return enum

    def _class(
        self, name: str, base: type, service: Service, method: Callable[[Method], Any]
    ) -> type[Any]:
        members: dict[str, Any] = {
            self._name(one.descriptor): method(one) for one in service.methods
        }
        for attribute, function in members.items():
            function.__name__, function.__qualname__ = attribute, f"{name}.{attribute}"
            function.__module__ = self._module
        members |= {"__module__": self._module, "__service__": service}
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


class Client:
    """The base of generated clients: the methods of one service on one channel."""

    __service__: ClassVar[Service]

    def __init__(self, channel: Any) -> None:
        """Call on this channel, of the flavour that the client is for."""
        self._stub = stub.Client(channel, self.__service__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._stub!r}>"


class Implementation(ABC):
    """The base of what a ``sync.Server`` answers one service with: ``server.add(MyTask())``."""

    __service__: ClassVar[Service]
    __is_async__: ClassVar[Literal[False]] = False


class AsyncImplementation(ABC):
    """The base of what an ``aio.Server`` answers one service with."""

    __service__: ClassVar[Service]
    __is_async__: ClassVar[Literal[True]] = True


def _client_method(method: Method) -> Any:
    name = method.name
    # A stream of replies is opened by its one message, also where that is empty.
    opens = method.kind.server_streaming and not method.kind.client_streaming

    def call(
        self: Client,
        message: Any = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        **fields: Any,
    ) -> Any:
        if opens and message is None and not fields:
            message = {}
        return getattr(self._stub, name)(message, timeout=timeout, metadata=metadata, **fields)

    return call


def _abstract(method: Method) -> Any:
    if method.kind.client_streaming:

        def handle(self: object, requests: Any, context: Any) -> Any:
            raise NotImplementedError

        return abstractmethod(handle)

    def answer(self: object, request: Any, context: Any) -> Any:
        raise NotImplementedError

    return abstractmethod(answer)


def _abstract_async(method: Method) -> Any:
    if method.kind.server_streaming:
        return _abstract(method)
    if method.kind.client_streaming:

        async def handle(self: object, requests: Any, context: Any) -> Any:
            raise NotImplementedError

        return abstractmethod(handle)

    async def answer(self: object, request: Any, context: Any) -> Any:
        raise NotImplementedError

    return abstractmethod(answer)


def _refusing(method: Method) -> Any:
    name = method.name
    if method.kind.client_streaming:

        def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)

        return handle

    def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)

    return answer


def _refusing_async(method: Method) -> Any:
    name = method.name
    if method.kind.server_streaming:
        return _refusing_stream(method)
    if method.kind.client_streaming:

        async def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)

        return handle

    async def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)

    return answer


def _refusing_stream(method: Method) -> Any:
    name = method.name
    if method.kind.client_streaming:

        async def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)
            yield  # type: ignore[unreachable]  # it makes a generator of this

        return handle

    async def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)
        yield  # type: ignore[unreachable]  # it makes a generator of this

    return answer


def _unimplemented(name: str) -> RpcError:
    return RpcError(Code.UNIMPLEMENTED, f"method {name}")  # as Go says it
