"""Serialized file descriptors inside of any bytes, such as an executable's.

Nothing is known about the format of the whole: descriptors are found by how they look. There are
two ways in which programs carry them:

* gzip-compressed: gogo/protobuf and Go's APIv1, that is containerd until 1.6;
* as they are: Go's APIv2 (containerd since 1.7), C++, and rust-protobuf where it keeps them.

Both begin with field 1, the file's name, which ends in ``.proto``. What only looks so is told from
a descriptor by its fields: in ascending order, each of its kind, and parsing to the same length.
"""

from __future__ import annotations

import re
import time
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Found", "scan"]

# Far above what programs have: containerd holds 67 files, a build tool with all of Google's 175.
MAX_FILES = 10_000
MAX_TOTAL = 64 << 20  # bytes of all descriptors together
MAX_DESCRIPTOR = 4 << 20  # bytes of one; the largest known has 0.4 MiB
MAX_FIELDS = 20_000  # of one: its messages, imports and such

# What may be looked at in vain: an input made to look like descriptors everywhere ends the scan.
MAX_ATTEMPTS = 100_000
MAX_WASTE = 256 << 20  # bytes inflated or walked through for nothing
MAX_SECONDS = 20.0  # in all; 45 MiB of containerd take 0.08

_GZIP = b"\x1f\x8b\x08"
_RESERVED_FLAGS = 0xE0  # RFC 1952: must be zero
_GZIP_WINDOW = 31  # zlib: 15 bits, and a gzip header, checksum and length around it
_FIRST = 512  # compressed bytes that are enough to see how the content begins
_CHUNK = 1 << 16

_SUFFIX = b".proto"
_LONGEST_NAME = 255
_NAME = re.compile(rb"[\w@+./-]+\.proto")
_PACKAGE = re.compile(r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?", re.ASCII)

# google/protobuf/descriptor.proto: the fields of a FileDescriptorProto and their wire types.
_VARINT, _DELIMITED = 0, 2
_WIRE_TYPES = dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15), _DELIMITED) | dict.fromkeys(
    (10, 11, 14), _VARINT
)
_ONCE = frozenset({1, 2, 8, 9, 12, 14})
_ENDS_TRIED = 8  # how many fields of what follows a descriptor may look like one more of its own


class Found(NamedTuple):
    """A descriptor, and where it was.

    Attributes:
        data: the serialized ``FileDescriptorProto``.
        offset: where it begins, in bytes from the start.
        kind: ``gzip`` or ``raw``.
    """

    data: bytes
    offset: int
    kind: str


class _Budget:
    """What the scan may still do in vain."""

    def __init__(self) -> None:
        self._attempts, self._waste = MAX_ATTEMPTS, MAX_WASTE
        self._deadline = time.monotonic() + MAX_SECONDS

    def spend(self, waste: int) -> None:
        """Count one attempt that has led to nothing.

        Raises:
            SchemaError: there have been too many.
        """
        self._attempts -= 1
        self._waste -= waste
        self.check()

    def check(self) -> None:
        """See that there is something left."""
        if self._attempts < 0 or self._waste < 0 or time.monotonic() > self._deadline:
            raise SchemaError(
                "too much of it looks like descriptors and is none: it is made to be hard to search"
            )


def scan(data: bytes) -> list[Found]:
    """Every file descriptor in the bytes: the compressed ones, then the others, by offset.

    Raises:
        SchemaError: there are more of them, or more that only look so, than any program has.
    """
    found: list[Found] = []
    total = 0
    budget = _Budget()
    for search in (_compressed, _plain):
        for one in search(data, budget):
            budget.check()
            found.append(one)
            total += len(one.data)
            if len(found) > MAX_FILES or total > MAX_TOTAL:
                raise SchemaError(
                    f"more than {MAX_FILES} descriptors, or {MAX_TOTAL >> 20} MiB of them"
                )
    return found


# gzip


def _compressed(data: bytes, budget: _Budget) -> Iterator[Found]:
    view = memoryview(data)
    offset = data.find(_GZIP)
    while offset >= 0:
        flags = data[offset + 3] if offset + 3 < len(data) else _RESERVED_FLAGS
        after = offset + len(_GZIP)
        if not flags & _RESERVED_FLAGS and _begins_well(view[offset : offset + _FIRST]):
            content, end = _inflate(view, offset)
            if content and _is_descriptor(content):
                yield Found(content, offset, "gzip")
                after = end
            else:
                budget.spend(end - offset + (len(content) or MAX_DESCRIPTOR))
        else:
            budget.spend(_FIRST)
        offset = data.find(_GZIP, after)


def _begins_well(start: memoryview) -> bool:
    """Whether it inflates to what begins with the name of a ``.proto`` file."""
    try:
        head = zlib.decompressobj(_GZIP_WINDOW).decompress(start, _LONGEST_NAME + 3)
    except zlib.error:
        return False
    if head[:1] != b"\n":
        return False
    length, begin = _varint(head, 1)
    return _NAME.fullmatch(head[begin : begin + length]) is not None


def _inflate(view: memoryview, offset: int) -> tuple[bytes, int]:
    """What the gzip member there holds, and where it ends; nothing if it is damaged or too long."""
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    parts: list[bytes] = []
    room = MAX_DESCRIPTOR
    position = offset
    # In pieces: what zlib does not use up of its input it copies.
    while not inflater.eof and room > 0 and position < len(view):
        chunk = view[position : position + _CHUNK]
        position += len(chunk)
        pending: bytes | memoryview = chunk
        while pending and room > 0 and not inflater.eof:
            try:
                part = inflater.decompress(pending, room)
            except zlib.error:
                return b"", position
            parts.append(part)
            room -= len(part)
            pending = inflater.unconsumed_tail
    if not inflater.eof:
        return b"", position
    return b"".join(parts), position - len(inflater.unused_data)


def _is_descriptor(data: bytes) -> bool:
    ends = _boundaries(data, 0)
    return len(ends) > 1 and ends[-1] == len(data) and _parses(data)


# raw


def _plain(data: bytes, budget: _Budget) -> Iterator[Found]:
    position = data.find(_SUFFIX)
    while position >= 0:
        budget.check()
        after = position + len(_SUFFIX)
        start = _start_of_name(data, after, budget)
        if start is not None:
            content, walked = _descriptor_at(data, start)
            if content:
                yield Found(content, start, "raw")
                after = max(after, start + len(content))
            else:
                budget.spend(walked)
        position = data.find(_SUFFIX, after)


def _start_of_name(data: bytes, end: int, budget: _Budget) -> int | None:
    """Where field 1 begins whose text ends at ``end``: its tag and a length that fits exactly."""
    lowest = max(0, end - _LONGEST_NAME - 3)
    tag = data.rfind(b"\n", lowest, end - len(_SUFFIX))
    while tag >= 0:
        length, begin = _varint(data, tag + 1)
        if begin + length == end and _NAME.fullmatch(data, begin, end):
            return tag
        budget.spend(0)
        tag = data.rfind(b"\n", lowest, tag)
    return None


def _descriptor_at(data: bytes, start: int) -> tuple[bytes, int]:
    """The descriptor that begins there, and how many bytes were walked through to tell."""
    ends = _boundaries(data, start)
    walked = ends[-1] - start if ends else 0
    if len(ends) < 2:  # a name, and nothing that has it
        return b"", walked
    for end in reversed(ends):
        content = data[start:end]
        if _parses(content):
            return content, walked
        walked += len(content)
    return b"", walked


def _boundaries(data: bytes, start: int) -> deque[int]:
    """The last ends of the fields from ``start`` on, as long as they are a file descriptor's."""
    ends: deque[int] = deque(maxlen=_ENDS_TRIED)
    position, last, limit = start, 0, min(len(data), start + MAX_DESCRIPTOR)
    for _ in range(MAX_FIELDS + 1):
        if position >= limit:
            break
        tag, value = _varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if number < last or (number == last and number in _ONCE):
            break
        if _WIRE_TYPES.get(number) != wire_type:
            break
        length, end = _varint(data, value)
        if wire_type == _DELIMITED:
            end += length
        if end > limit or (not ends and number != 1):
            break
        ends.append(end)
        position, last = end, number
    else:  # to take a part of it for the whole would be worse than nothing
        ends.clear()
    if limit - start == MAX_DESCRIPTOR and position >= limit:
        ends.clear()
    return ends


def _parses(data: bytes) -> bool:
    """Whether it is a descriptor, and the whole of it, in the only way to write it down."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto  # 4 ms that calls save
    from google.protobuf.message import DecodeError

    try:
        file = FileDescriptorProto.FromString(data)
    except DecodeError:
        return False
    return file.ByteSize() == len(data) and _makes_sense(file)


def _makes_sense(file: Any) -> bool:
    """Whether the fields of a descriptor go together; what follows one may look like more of it."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    by_edition = file.syntax == "editions"
    indexes = [*file.public_dependency, *file.weak_dependency]
    return (
        isinstance(file.package, str)  # bytes where they are no text
        and _PACKAGE.fullmatch(file.package) is not None
        and file.syntax in {"", "proto2", "proto3", "editions"}
        and all(index < len(file.dependency) for index in indexes)
        and by_edition == file.HasField("edition")
        and (by_edition or not file.option_dependency)
        and len(UnknownFieldSet(file)) == 0
    )


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number and where it ends; a number beyond all limits where there is none."""
    value = shift = 0
    for index in range(position, min(position + 5, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, index + 1
        shift += 7
    return 1 << 62, position
