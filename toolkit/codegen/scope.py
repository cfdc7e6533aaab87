"""What things are called where: the words of Python that a stub needs, and the schema's types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.codegen.model import Alias, Import, Literals
from toolkit.codegen.names import Namespace, is_plain, module_name, safe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["MESSAGE_NAMES", "Naming", "Scope", "StubModule"]

# Every message has these, whatever its fields are called (google.protobuf.message.Message).
MESSAGE_NAMES = frozenset(
    {
        *("ByteSize", "Clear", "ClearExtension", "ClearField", "CopyFrom", "DESCRIPTOR"),
        *("DiscardUnknownFields", "Extensions", "FindInitializationErrors", "FromString"),
        *("HasExtension", "HasField", "IsInitialized", "ListFields", "MergeFrom"),
        *("MergeFromString", "ParseFromString", "SerializePartialToString", "SerializeToString"),
        *("SetInParent", "UnknownFields", "WhichOneof"),
    }
)

_STREAMS = (
    "AioChannel AsyncBidi AsyncReplies AsyncRequests Bidi Opening Replies Requests SyncChannel"
)
_WELL_KNOWN = "Any Duration FieldMask ListValue Struct Timestamp"
# The words that a stub is written with, by the module that has them.
_HOMES = {
    "abc": "ABC abstractmethod",
    "builtins": "bool bytes float int list property str tuple",
    "collections.abc": "AsyncIterable AsyncIterator Coroutine Iterable Iterator Mapping",
    "datetime": "datetime timedelta",
    "google.protobuf.descriptor": "EnumDescriptor",
    "google.protobuf.internal.containers": (
        "MessageMap RepeatedCompositeFieldContainer RepeatedScalarFieldContainer ScalarMap"
    ),
    "google.protobuf.message": "Message",
    "toolkit.codegen.implementing": "AsyncImplementation Client Implementation",
    "toolkit.codegen.streams": _STREAMS,
    "toolkit.rpc.context": "Context",
    "toolkit.rpc.metadata": "MetadataLike",
    "typing": ("Any ClassVar Literal Never NewType TypeAlias TypedDict Unpack final overload"),
}
_WORDS = {word: module for module, words in _HOMES.items() for word in words.split()}
# The classes that protobuf gives a well-known type beside its fields; named apart, since the
# modules that use them declare messages of the same names.
_MIXINS = {f"{name}Mixin": name for name in _WELL_KNOWN.split()}
_WORDS |= dict.fromkeys(_MIXINS, "google.protobuf.internal.well_known_types")


class Naming:
    """What every module, message, enum and service of a schema is called in Python.

    Attributes:
        modules: module names, by package.
        by_package: the files of each.
        paths: where a message's class, an enum or an extension is below its module.
        enum_values: the type of an enum's values.
        services: the classes of a service.
    """

    def __init__(self, files: Iterable[Any]) -> None:
        """Name the modules of files; the rest is noted as it is decided."""
        self.modules: dict[str, str] = {}
        self.by_package: dict[str, list[Any]] = {}
        self.paths: dict[str, str] = {}
        self.enum_values: dict[str, str] = {}
        self.services: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, Members] = {}
        taken = Namespace(["_schema", "__init__"])
        for file in sorted(files, key=lambda file: (file.package, file.name)):
            if file.package not in self.modules:
                self.modules[file.package] = taken.add(module_name(file.package))
            self.by_package.setdefault(file.package, []).append(file)

    def members(self, message: Any) -> Members:
        """What is in the class of a message."""
        found = self._members.get(message.full_name)
        if found is None:
            found = self._members[message.full_name] = Members(message)
        return found


class Members:
    """The names in the class of a message.

    Attributes:
        fields: the attribute of each field, by its name in the schema.
        nested: the name of each nested message and enum, by its full name.
        local: all of them.
    """

    def __init__(self, message: Any) -> None:
        plain = [field.name for field in message.fields if _is_attribute(field.name)]
        names = Namespace([*plain, *MESSAGE_NAMES])
        self.fields = dict.fromkeys(plain, "") | {
            field.name: names.add(safe(field.name))
            for field in message.fields
            if not _is_attribute(field.name)
        }
        self.fields = {name: attribute or name for name, attribute in self.fields.items()}
        self.nested = {
            one.full_name: names.add(safe(one.name))
            for one in (*message.nested_types, *message.enum_types)
            if not _is_map_entry(one)
        }
        constants = [value.name for enum in message.enum_types for value in enum.values]
        constants += [extension.name for extension in message.extensions]
        constants += [f"{name.upper()}_FIELD_NUMBER" for name in self.fields]
        self.constants = [one for one in dict.fromkeys(constants) if is_plain(one)]
        self.constants = [one for one in self.constants if one not in names]
        self.local = {*self.fields.values(), *self.nested.values(), *self.constants}
        self.local |= {"HasField", "ClearField", "WhichOneof", "__init__"}


def _is_attribute(name: str) -> bool:
    return is_plain(name) and name not in MESSAGE_NAMES


def _is_map_entry(descriptor: Any) -> bool:
    return bool(getattr(descriptor.GetOptions(), "map_entry", False))


class StubModule:
    """One module while it is built: its names, and what it turns out to import.

    Attributes:
        names: those that are taken at its top level.
    """

    def __init__(
        self, name: str, naming: Naming, reserved: Iterable[str], hidden: Collection[str]
    ) -> None:
        """Begin a module.

        Args:
            name: of the module.
            naming: of all.
            reserved: names that the module has of itself.
            hidden: private names within classes: they would hide the module's own there.
        """
        self.name = name
        self._hidden = hidden
        self.naming = naming
        self.names = Namespace(reserved)
        self._imports: dict[tuple[str, str], None] = {}
        self._whole: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._literals: dict[str, Literals] = {}

    def reserve_hidden(self) -> None:
        """Call nothing by the hidden names from here on."""
        for name in self._hidden:
            self.names.add(name)

    def enum_names(self, enum: Any) -> str:
        """The type of the names of an enum's values; private to each module that needs it."""
        known = self._literals.get(enum.full_name)
        if known is None:
            path = self.naming.paths[enum.full_name].replace(".", "_")
            names = tuple(value.name for value in enum.values)
            known = Literals(self.names.add(f"_{path}Name"), names)
            self._literals[enum.full_name] = known
        return known.name

    def literals(self) -> tuple[Literals, ...]:
        """Those types."""
        return tuple(sorted(self._literals.values(), key=lambda one: one.name))

    def word(self, word: str, local: Collection[str]) -> str:
        """What a word of Python, or of a library, is called where these names are local."""
        module = _WORDS[word]
        if word in _MIXINS:
            return f"{self.whole(module)}.{_MIXINS[word]}"
        if word in local or word in self.names:
            return f"{self.whole(module)}.{word}"
        if module != "builtins":
            self._imports[module, word] = None
        return word

    def whole(self, module: str) -> str:
        """What a whole module is called here; a private name."""
        name = self._whole.get(module)
        if name is None:
            name = self.names.add(f"_{module.lstrip('.').replace('.', '_')}")
            self._whole[module] = name
        return name

    def reference(self, descriptor: Any, local: Collection[str]) -> str:
        """The class of a message, where these names are local."""
        path = self.naming.paths[descriptor.full_name]
        return self.path(descriptor.file.package, path, local)

    def path(self, package: str, path: str, local: Collection[str]) -> str:
        """A name of the module of a package, where these names are local."""
        module = self.naming.modules[package]
        if module != self.name:
            return f"{self.whole('.' + module)}.{path}"
        root, dot, rest = path.partition(".")
        if root in local:
            if root not in self._aliases:
                self._aliases[root] = self.names.add(f"_Global{root}")
            root = self._aliases[root]
        return f"{root}{dot}{rest}"

    def imports(self) -> tuple[Import, ...]:
        """What it imports, in order: modules as wholes, then names."""
        names: dict[str, list[str]] = {}
        for module, name in self._imports:
            names.setdefault(module, []).append(name)
        found = [Import(module, tuple(sorted(some)), "") for module, some in names.items()]
        found += [Import(module, (), alias) for module, alias in self._whole.items()]
        # As ruff's isort has it: the package's own last, plain imports before those of names.
        return tuple(
            sorted(found, key=lambda one: (one.module[0] == ".", not one.alias, one.module))
        )

    def aliases(self) -> tuple[Alias, ...]:
        """Other names for top-level classes, which a field hides somewhere."""
        return tuple(Alias(name, target) for target, name in sorted(self._aliases.items()))


class Scope:
    """One class body of a module: the names that are local there."""

    def __init__(self, module: StubModule, local: Collection[str]) -> None:
        self.module = module
        self.local = frozenset(local)

    def __call__(self, word: str) -> str:
        return self.module.word(word, self.local)

    def words(self, *words: str) -> Mapping[str, str]:
        """These words, each by what it is called here."""
        return {word: self(word) for word in words}

    def reference(self, descriptor: Any) -> str:
        """The class of a message."""
        return self.module.reference(descriptor, self.local)

    def path(self, package: str, path: str) -> str:
        """A name of the module of a package."""
        return self.module.path(package, path, self.local)
