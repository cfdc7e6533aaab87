"""The shortest way to write a type's name that protoc still resolves to that type."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor_pb2 import (
        DescriptorProto,
        EnumDescriptorProto,
        FieldDescriptorProto,
        FileDescriptorProto,
    )

__all__ = ["SCALARS", "TypeNames"]

SCALARS = {
    1: "double",
    2: "float",
    3: "int64",
    4: "uint64",
    5: "int32",
    6: "fixed64",
    7: "fixed32",
    8: "bool",
    9: "string",
    12: "bytes",
    13: "uint32",
    15: "sfixed32",
    16: "sfixed64",
    17: "sint32",
    18: "sint64",
}

# A type of such a name at the start of a statement would be read as the statement itself.
_KEYWORDS = frozenset(SCALARS.values()) | {
    "enum",
    "export",
    "extend",
    "extensions",
    "group",
    "local",
    "map",
    "message",
    "oneof",
    "option",
    "optional",
    "repeated",
    "required",
    "reserved",
    "returns",
    "rpc",
    "stream",
}

_OTHER, _SCOPE, _TYPE = 0, 1, 3  # bits: a type is a scope too, a package or service only a scope


class TypeNames:
    """The symbols of some files, and how one of them is written from inside another.

    It follows the compiler's own lookup (protobuf's descriptor.cc, LookupSymbolNoPlaceholder): the
    first component is searched from the innermost scope outwards, and what it names there decides.
    """

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self._files = list(files)

    @functools.cached_property
    def _known(self) -> _Symbols:
        # Only when a name is to be shortened: all symbols of a release take a few milliseconds.
        return _Symbols(self._files)

    def type_name(self, full_name: str, *, package: str, scope: str) -> str:
        """How a field or method in ``scope`` of ``package`` writes this type.

        Types of the same package go by their relative name, all others by their full name.
        """
        if package and self._known.packages.get(full_name) == package:
            relative = full_name[len(package) + 1 :].split(".")
            candidates = [".".join(relative[-n:]) for n in range(1, len(relative) + 1)]
        else:
            candidates = []
        for name in [*candidates, full_name]:
            if name.partition(".")[0] in _KEYWORDS:
                continue
            if self._resolve(name, scope, types_only=True) == full_name:
                return name
        return f".{full_name}"

    def extension_name(self, full_name: str, *, scope: str) -> str:
        """How an option inside ``scope`` names this extension, without the parentheses."""
        if self._resolve(full_name, scope, types_only=False) == full_name:
            return full_name
        return f".{full_name}"

    def _resolve(self, name: str, scope: str, *, types_only: bool) -> str | None:
        first, _, rest = name.partition(".")
        while True:
            found = f"{scope}.{first}" if scope else first
            kind = self._known.kinds.get(found)
            if kind is not None:
                if rest and kind & _SCOPE:
                    whole = f"{found}.{rest}"
                    return whole if whole in self._known.kinds else None
                if not rest and (kind == _TYPE or not types_only):
                    return found
            if not scope:
                return None
            scope = scope.rpartition(".")[0]


class _Symbols:
    """What kind of symbol each full name is, and which package each type is in."""

    def __init__(self, files: Iterable[FileDescriptorProto]) -> None:
        self.kinds: dict[str, int] = {}
        self.packages: dict[str, str] = {}
        for file in files:
            self._add_file(file)

    def _add_file(self, file: FileDescriptorProto) -> None:
        package = file.package
        parts = package.split(".") if package else []
        for count in range(1, len(parts) + 1):
            self.kinds.setdefault(".".join(parts[:count]), _SCOPE)
        for message in file.message_type:
            self._add_message(message, package, package)
        for enum in file.enum_type:
            self._add_enum(enum, package, package)
        self._add_fields(file.extension, package)
        for service in file.service:
            full_name = _join(package, service.name)
            self.kinds[full_name] = _SCOPE
            for method in service.method:
                self.kinds[f"{full_name}.{method.name}"] = _OTHER

    def _add_message(self, message: DescriptorProto, scope: str, package: str) -> None:
        full_name = _join(scope, message.name)
        self.kinds[full_name] = _TYPE
        self.packages[full_name] = package
        self._add_fields(message.field, full_name)
        self._add_fields(message.extension, full_name)
        for oneof in message.oneof_decl:
            self.kinds.setdefault(f"{full_name}.{oneof.name}", _OTHER)
        for nested in message.nested_type:
            self._add_message(nested, full_name, package)
        for enum in message.enum_type:
            self._add_enum(enum, full_name, package)

    def _add_enum(self, enum: EnumDescriptorProto, scope: str, package: str) -> None:
        full_name = _join(scope, enum.name)
        self.kinds[full_name] = _TYPE
        self.packages[full_name] = package
        for value in enum.value:  # an enum's values are its siblings, as in C++
            self.kinds.setdefault(_join(scope, value.name), _OTHER)

    def _add_fields(self, fields: Iterable[FieldDescriptorProto], scope: str) -> None:
        for field in fields:
            self.kinds.setdefault(_join(scope, field.name), _OTHER)


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
