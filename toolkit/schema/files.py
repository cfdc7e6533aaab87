"""Serialized file descriptors, read and changed on their bytes without parsing them whole.

A ``FileDescriptorSet`` is field 1 repeated; of a ``FileDescriptorProto`` only the numbers below
matter here. Doing it by hand spares ``descriptor_pb2``'s import and a copy of every descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

__all__ = ["File", "join_set", "read_file", "read_name", "read_package", "split_set"]

# google/protobuf/descriptor.proto
SET_FILE = 1
NAME = 1
PACKAGE = 2
DEPENDENCY = 3
SOURCE_CODE_INFO = 9
PUBLIC_DEPENDENCY = 10
WEAK_DEPENDENCY = 11

VARINT, FIXED64, LENGTH_DELIMITED, START_GROUP, END_GROUP, FIXED32 = range(6)


class File(NamedTuple):
    """One serialized file: what linking needs to know of it."""

    name: str
    imports: tuple[str, ...]
    weak: frozenset[str]  # the imports that may be missing
    data: bytes  # without source info
    source_info: bytes  # the field that holds it, tag and length included; may be empty

    def without_imports(self, missing: Collection[str]) -> File:
        """The same file, not importing what is missing."""
        gone = frozenset(missing)
        kept = tuple(name for name in self.imports if name not in gone)
        return self._replace(imports=kept, weak=self.weak - gone, data=_drop_imports(self, gone))

    def with_imports(self, names: Sequence[str]) -> File:
        """The same file, importing others too."""
        fields = b"".join(_text(DEPENDENCY, name) for name in names)
        return self._replace(imports=(*self.imports, *names), data=self.data + fields)

    def renamed(self, name: str, imports: Mapping[str, str]) -> File:
        """The same file under another name, and importing others by other names."""
        return self._replace(
            name=name,
            imports=tuple(imports.get(old, old) for old in self.imports),
            weak=frozenset(imports.get(old, old) for old in self.weak),
            data=_rename(self, name, imports),
        )


# A field on the wire: its number; where its tag starts; of a varint the value, else where the
# payload starts; where it ends; whether it is length-delimited. A plain tuple, because a release
# has a thousand of them and is loaded in milliseconds.
_Field = tuple[int, int, int, int, bool]


def split_set(data: bytes) -> list[bytes]:
    """The serialized files of a serialized ``FileDescriptorSet``.

    Raises:
        SchemaError: the bytes are no descriptor set.
    """
    return [
        data[value:end]
        for number, _, value, end, delimited in _fields(data)
        if number == SET_FILE and delimited
    ]


def join_set(files: Iterable[bytes]) -> bytes:
    """The serialized ``FileDescriptorSet`` of serialized files."""
    parts = []
    for data in files:
        parts += [_tag(SET_FILE, LENGTH_DELIMITED), _varint(len(data)), data]
    return b"".join(parts)


def read_file(data: bytes) -> File:
    """What a serialized ``FileDescriptorProto`` says of itself, its source info set apart.

    Raises:
        SchemaError: the bytes are no file descriptor.
    """
    name = b""
    imports: list[bytes] = []
    weak: list[int] = []
    kept: list[bytes] = []
    source_info: list[bytes] = []
    kept_to = 0
    for field in _fields(data):
        number, start, value, end, delimited = field
        if number == NAME and delimited:
            name = data[value:end]
        elif number == DEPENDENCY and delimited:
            imports.append(data[value:end])
        elif number == WEAK_DEPENDENCY:
            weak += _indexes(data, field)
        elif number == SOURCE_CODE_INFO:
            kept.append(data[kept_to:start])
            source_info.append(data[start:end])
            kept_to = end
    kept.append(data[kept_to:])
    try:
        names = tuple(item.decode() for item in imports)
        return File(
            name.decode(),
            names,
            frozenset(names[index] for index in weak if index < len(names)),
            b"".join(kept),
            b"".join(source_info),
        )
    except UnicodeDecodeError as exc:
        raise SchemaError("a file descriptor whose name is not UTF-8 text") from exc


def read_name(data: bytes) -> str:
    """The name of a serialized file; reads no further than to it.

    Raises:
        SchemaError: the bytes are no file descriptor.
    """
    name = _first_text(data, NAME)
    if name is None:
        raise SchemaError("a file descriptor without a name")
    return name


def read_package(data: bytes) -> str:
    """The package of a serialized file; empty where it has none.

    Raises:
        SchemaError: the bytes are no file descriptor.
    """
    return _first_text(data, PACKAGE) or ""


def _first_text(data: bytes, wanted: int) -> str | None:
    for number, _, value, end, delimited in _fields(data):
        if number == wanted and delimited:
            return data[value:end].decode("utf-8", "replace")
    return None


def _drop_imports(file: File, missing: Collection[str]) -> bytes:
    """The bytes without some imports; what counts imports by position is counted anew."""
    parts: list[bytes] = []
    position = {
        old: new
        for new, old in enumerate(
            index for index, name in enumerate(file.imports) if name not in missing
        )
    }
    index = -1
    for field in _fields(file.data):
        number, start, _, end, delimited = field
        if number == DEPENDENCY and delimited:
            index += 1
            if index in position:
                parts.append(file.data[start:end])
        elif number in (PUBLIC_DEPENDENCY, WEAK_DEPENDENCY):
            for old in _indexes(file.data, field):
                if old in position:
                    parts += [_tag(number, VARINT), _varint(position[old])]
        else:
            parts.append(file.data[start:end])
    return b"".join(parts)


def _rename(file: File, name: str, imports: Mapping[str, str]) -> bytes:
    parts: list[bytes] = []
    for number, start, value, end, delimited in _fields(file.data):
        text = file.data[value:end]
        if number == NAME and delimited:
            parts.append(_text(NAME, name))
        elif number == DEPENDENCY and delimited:
            old = text.decode()
            parts.append(_text(DEPENDENCY, imports.get(old, old)))
        else:
            parts.append(file.data[start:end])
    return b"".join(parts)


def _text(number: int, text: str) -> bytes:
    data = text.encode()
    return b"".join([_tag(number, LENGTH_DELIMITED), _varint(len(data)), data])


def _fields(data: bytes) -> Iterator[_Field]:
    position, size = 0, len(data)
    try:
        while position < size:
            start = position
            tag = data[position]
            position += 1
            if tag > 0x7F:  # a call for every tag would be half of all the time here
                tag, position = _read_varint(data, start)
            wire_type = tag & 7
            value, delimited = position, False
            if wire_type == LENGTH_DELIMITED:
                length, value = _read_varint(data, position)
                position, delimited = value + length, True
            elif wire_type == VARINT:
                value, position = _read_varint(data, position)
            elif wire_type in (FIXED32, FIXED64):
                position += 4 if wire_type == FIXED32 else 8
            else:
                raise SchemaError(f"not a file descriptor: wire type {wire_type} at byte {start}")
            if position > size or tag < 8:
                raise SchemaError(f"not a file descriptor: cut short or garbled at byte {start}")
            yield tag >> 3, start, value, position, delimited
    except IndexError:
        raise SchemaError("not a file descriptor: it ends within a field") from None


def _indexes(data: bytes, field: _Field) -> list[int]:
    _, _, value, end, delimited = field
    if not delimited:
        return [value]
    found = []
    packed = data[:end]
    try:
        while value < end:
            index, value = _read_varint(packed, value)
            found.append(index)
    except IndexError:
        raise SchemaError("not a file descriptor: it ends within a number") from None
    return found


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value, shift = byte & 0x7F, 7
    for following in range(position + 1, position + 10):
        byte = data[following]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, following + 1
        shift += 7
    raise SchemaError("not a file descriptor: a number of more than ten bytes")


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
