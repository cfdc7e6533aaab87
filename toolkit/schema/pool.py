"""One schema: files linked in a private pool, and what they answer by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message_factory import GetMessageClass

from toolkit.errors import SymbolNotFound
from toolkit.schema.linking import link
from toolkit.schema.method import Method, Service
from toolkit.schema.wellknown import runtime_file_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.message import Message

    from toolkit.schema.anys import AnyLike
    from toolkit.schema.releases import Release
    from toolkit.schema.unknown import UnknownField

__all__ = ["Schema"]


class Schema:
    """The descriptors of one release or one user source, in one private pool.

    Names resolve with or without a leading dot. The message classes of two schemas do not mix,
    even where they are alike; ``as_message`` brings a message from one to the other.

    Attributes:
        name: ``containerd@2.3``, or the path that it came from.
        release: the vendored release; None for a user's own source.
        pool: protobuf's descriptor pool, with nothing else in it.
        digest: of what it was made from; empty where that is not known.
    """

    def __init__(
        self,
        name: str,
        files: Iterable[bytes],
        *,
        release: Release | None = None,
        digest: bytes = b"",
        source_info: Callable[[], Mapping[str, bytes]] | None = None,
        companions: Callable[[], list[Schema]] | None = None,
        elsewhere: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        """Link serialized files, imports included.

        Args:
            name: what errors call the schema.
            files: serialized ``FileDescriptorProto``s, in any order.
            release: the vendored release that they are.
            digest: of what the files were made from.
            source_info: gives the serialized source info by file name, where the files lack it:
                the compiler made them, and they are in order and complete.
            companions: gives the schemas in which Anys are looked up when this one lacks the type.
            elsewhere: gives the names of the releases that have a symbol which this one lacks.

        Raises:
            SchemaError: the files are broken, contradict each other or lack one that they import.
        """
        self.name = name
        self.release = release
        self.digest = digest
        self.pool, self._files = link(name, files, as_compiled=source_info is not None)
        self._source_info = source_info
        self._load_companions = companions
        self._elsewhere = elsewhere
        self._companions: list[Schema] | None = None
        self._services: dict[str, Service] = {}
        self._symbols: dict[str, Any] | None = None
        self._comments: dict[str, str] | None = None

    def __repr__(self) -> str:
        return f"<Schema {self.name}>"

    # Services and methods

    def services(self) -> list[Service]:
        """All services, by full name."""
        names = (
            service.full_name
            for file in self._files
            for service in self.pool.FindFileByName(file.name).services_by_name.values()
        )
        return [self.service(name) for name in sorted(names)]

    def service(self, name: str) -> Service:
        """The service of this full name.

        Raises:
            SymbolNotFound: there is none; with the nearest, and the releases that have it.
        """
        name = name.removeprefix(".")
        service = self._services.get(name)
        if service is not None:
            return service
        try:
            descriptor = self.pool.FindServiceByName(name)
        except (KeyError, TypeError):
            raise self.not_found("service", name) from None
        return self._services.setdefault(name, Service(self, descriptor))

    def method(self, name: str) -> Method:
        """The method ``pkg.Service/Method``, also written ``pkg.Service.Method``.

        Raises:
            SymbolNotFound: there is no such service, or it has no such method.
        """
        separator = "/" if "/" in name.removeprefix("/") else "."
        service, found, method = name.lstrip("./").rpartition(separator)
        if not found:
            raise self.not_found("method", method)
        return self.service(service)[method]

    def methods_named(self, short: str) -> list[Method]:
        """The methods of all services that have this bare name."""
        return [service[short] for service in self.services() if short in service]

    # Messages and other symbols

    def message(self, name: str) -> type[Any]:
        """The class of the message of this full name.

        Raises:
            SymbolNotFound: there is none; with the nearest, and the releases that have it.
        """
        name = name.removeprefix(".")
        found = self._own_message(name)
        if found is None:
            raise self.not_found("message", name)
        return found

    def lookup(self, name: str) -> type[Any] | None:
        """The class of the message of this full name, here or in a companion; None without one."""
        found = self._own_message(name)
        if found is None and name:
            others = (companion._own_message(name) for companion in self.companions)  # noqa: SLF001
            found = next((cls for cls in others if cls is not None), None)
        return found

    def resolve(self, name: str) -> type[Any]:
        """The class of the message of this full name, here or in a companion.

        Raises:
            SymbolNotFound: neither has it.
        """
        found = self.lookup(name)
        if found is None:
            raise self.not_found("message", name)
        return found

    def find(self, symbol: str) -> Any:
        """The descriptor of this full name, of whatever kind: what ``describe`` shows.

        Raises:
            SymbolNotFound: there is none; with the nearest, and the releases that have it.
        """
        name = symbol.lstrip("./").replace("/", ".")
        found = self.symbols().get(name)
        if found is None:
            raise self.not_found("symbol", name)
        return found

    def symbols(self) -> Mapping[str, Any]:
        """The descriptors of all that the files declare, by full name."""
        if self._symbols is None:
            from toolkit.schema.symbols import descriptors

            self._symbols = descriptors(self.pool.FindFileByName(file.name) for file in self._files)
        return self._symbols

    def _own_message(self, name: str) -> type[Any] | None:
        try:
            return GetMessageClass(self.pool.FindMessageTypeByName(name))
        except (KeyError, TypeError):  # TypeError: no text that a name can be
            pass
        file = runtime_file_of(name)
        if file is None:
            return None
        try:
            self.pool.AddSerializedFile(file)  # the same bytes again are no error
        except TypeError:  # the schema has another file of this name
            return None
        return GetMessageClass(self.pool.FindMessageTypeByName(name))

    # What else the files say

    def options(self, descriptor: Any) -> Any:
        """The options of a descriptor, custom ones included, as a message of this pool."""
        # protobuf gives the default pool's class, which knows no extension of this pool: there
        # custom options are unknown fields.
        options = descriptor.GetOptions()
        cls = self._own_message(options.DESCRIPTOR.full_name)
        return options if cls is None else cls.FromString(options.SerializeToString())

    def comments(self, full_name: str) -> str:
        """The comments before and behind the declaration of a symbol; empty when there are none."""
        if self._comments is None:
            from toolkit.schema.symbols import comments_by_name

            self._comments = {}
            for file in self.file_protos():
                self._comments |= comments_by_name(file)
        return self._comments.get(full_name.lstrip("./").replace("/", "."), "")

    def file_protos(self) -> list[FileDescriptorProto]:
        """The files, imports first, with their source info where it is known."""
        from google.protobuf.descriptor_pb2 import FileDescriptorProto  # 4 ms that calls save

        return [FileDescriptorProto.FromString(data) for data in self.files().values()]

    def files(self) -> dict[str, bytes]:
        """The same files serialized, by name."""
        known = self._source_info() if self._source_info is not None else {}
        # Serialized messages concatenate: the source info is one more field.
        return {
            file.name: file.data + known.get(file.name, file.source_info) for file in self._files
        }

    # Messages in and out

    def pack(
        self, message: Message | str, values: Message | Mapping[str, Any] | None = None
    ) -> Any:
        """An Any of this pool, typed as containerd types it: by the bare full name.

        Args:
            message: the message, or the name of its type here or in a companion. A type URL of the
                OCI runtime spec takes any JSON value.
            values: what ``message`` names, as a message or a mapping.

        Raises:
            SymbolNotFound: there is no such type.
            MessageError: the values do not fit.
        """
        from toolkit.schema.anys import pack

        return pack(self, message, values)

    def unpack(self, packed: AnyLike) -> Any:
        """The message in an Any; of an OCI type that containerd packs as JSON, the JSON value.

        Raises:
            SymbolNotFound: neither this schema nor a companion has its type.
            MessageError: its bytes are none of its type.
        """
        from toolkit.schema.anys import unpack

        return unpack(self, packed)

    def to_json(
        self,
        message: Message,
        *,
        indent: int | None = 2,
        defaults: bool = False,
        proto_names: bool = False,
    ) -> str:
        """The message as JSON text; an Any whose type is unknown keeps its bytes.

        Args:
            message: of whatever pool.
            indent: spaces a level; None for one line.
            defaults: also print fields that have their default value.
            proto_names: ``exec_id`` instead of ``execId``.
        """
        from toolkit.schema.jsonio import to_json

        return to_json(self, message, indent=indent, defaults=defaults, proto_names=proto_names)

    def from_json(self, name: str, text: str | bytes) -> Any:
        """The message of this name that JSON text describes.

        Raises:
            SymbolNotFound: there is no such message.
            MessageError: the text does not fit; ``path`` says which field.
        """
        from toolkit.schema.jsonio import from_json

        return from_json(self, self.message(name), text)

    def unknown_fields(self, message: Message) -> list[UnknownField]:
        """The fields of a message, and of all in it, that the schema does not know."""
        from toolkit.schema.unknown import unknown_fields

        return unknown_fields(self, message)

    # Other schemas

    @property
    def companions(self) -> list[Schema]:
        """The schemas that belong to this one; loaded when first asked for."""
        if self._companions is None:
            load = self._load_companions
            self._companions = load() if load is not None else []
        return self._companions

    def elsewhere(self, symbol: str) -> Sequence[str]:
        """The vendored releases that have a symbol which this schema lacks."""
        return self._elsewhere(symbol) if self._elsewhere is not None else ()

    def not_found(self, kind: str, name: str) -> SymbolNotFound:
        """The error for a name that the schema lacks: what comes near, and where it is."""
        from toolkit.schema.nearest import nearest, own_names  # difflib, which only a miss pays

        return SymbolNotFound(
            kind,
            name,
            schema=self.name,
            nearest=nearest(name, own_names(name, self._names(kind))),
            elsewhere=self.elsewhere(name),
        )

    def _names(self, kind: str) -> Iterable[str]:
        if kind == "service":
            return [service.name for service in self.services()]
        if kind == "method":
            return [method.path[1:] for service in self.services() for method in service]
        if kind == "message":
            return [name for name, found in self.symbols().items() if _is_message(found)]
        return self.symbols()


def _is_message(descriptor: Any) -> bool:
    from google.protobuf.descriptor import Descriptor

    return isinstance(descriptor, Descriptor)
