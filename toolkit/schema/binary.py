"""The schema that an executable carries: found, made to link, and remembered.

``binary:PATH`` is a file; ``pid:N`` what a process runs, also where the file has been replaced.
"""

from __future__ import annotations

import os
import stat
from typing import IO, TYPE_CHECKING, NamedTuple

from toolkit.errors import NoSchema, SchemaError, SourceNotFound
from toolkit.schema.cache import cache_folder, read_entry, store_entries
from toolkit.schema.files import join_set, read_name, split_set
from toolkit.schema.hashing import sha256
from toolkit.schema.sources import Content
from toolkit.schema.warning import warn

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BinarySource", "Embedded", "binary_source"]

MAX_SIZE = 512 << 20  # bytes; the largest Go programs have half of it
_REMEMBERED = 8 << 20  # bytes of descriptors; more would push out what else is remembered
_PID_DIGITS = 10

# Another format, or other rules of scanning and mending: entries are then made anew.
_FORMAT = b"ttrpc-toolkit descriptors of a binary 2"


class Embedded(NamedTuple):
    """One file descriptor of a binary.

    Attributes:
        name: the file's name, as the binary has it.
        offset: where it begins, in bytes from the start.
        kind: ``gzip`` or ``raw``.
        size: bytes of the descriptor.
        used: whether it is part of the schema.
        note: what was done to it, or why it is left out; mostly empty.
    """

    name: str
    offset: int
    kind: str
    size: int
    used: bool
    note: str

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        left_out = "" if self.used else " left out"
        place = f"{self.offset:#010x}  {self.kind:<4}  {self.size:>6} bytes"
        return f"{place}  {self.name}{left_out}{note}"


class _Entry(NamedTuple):
    files: list[bytes]  # they link, imports first
    report: list[Embedded]


class BinarySource:
    """The descriptors in an executable, of whatever format.

    Attributes:
        name: ``binary:/usr/bin/x``, or ``pid:12``.
        path: what is read.
    """

    def __init__(self, path: str, name: str = "") -> None:
        self.path = path
        self.name = name or f"binary:{path}"
        self._entry: _Entry | None = None

    def read(self) -> Content:
        """The files, found now or remembered.

        Raises:
            SourceNotFound: there is no such file or process.
            NoSchema: it carries none.
            SchemaError: it cannot be read, or is made to be hard to search.
        """
        entry = self._found()
        if not entry.files:
            raise NoSchema(
                f"{self.name}: no descriptors in it; programs in Rust, and stripped C++, have none"
            )
        digest = sha256(join_set(entry.files)).digest()
        return Content(entry.files, digest, dict)  # programs carry no comments

    def files(self) -> list[bytes]:
        """The files."""
        return self.read().files

    def report(self) -> list[Embedded]:
        """What was found, by offset; raises as ``read`` but for ``NoSchema``."""
        return self._found().report

    def _found(self) -> _Entry:
        if self._entry is None:
            try:
                self._entry = _load(self.path)
            except SchemaError as exc:
                raise type(exc)(f"{self.name}: {exc}") from exc.__cause__
            except OSError as exc:
                raise _unreadable(self.path, self.name, exc) from exc
            except ValueError as exc:  # such as a NUL in it
                raise SchemaError(f"{self.name!r}: no file can be called so") from exc
        return self._entry


def binary_source(text: str) -> BinarySource | None:
    """The source that ``binary:PATH`` or ``pid:N`` names; None for any other text.

    Raises:
        SchemaError: there is nothing, or no number, behind the colon.
    """
    kind, colon, rest = text.partition(":")
    if not colon:
        return None
    if kind == "binary":
        if not rest:
            raise SchemaError("binary: wants the path of an executable behind it")
        return BinarySource(rest)
    if kind == "pid":
        if not (rest.isascii() and rest.isdigit()) or len(rest) > _PID_DIGITS:
            raise SchemaError(f"pid: wants the number of a process behind it, not {rest!r}")
        return BinarySource(f"/proc/{int(rest)}/exe", f"pid:{int(rest)}")
    return None


def _load(path: str) -> _Entry:
    with open(path, "rb", buffering=0, opener=_open) as file:
        descriptor = file.fileno()
        before = os.fstat(descriptor)
        if before.st_size > MAX_SIZE:
            raise SchemaError(f"{before.st_size} bytes; no more than {MAX_SIZE} are searched")
        key = f"{_identity(before)}.binary"
        folder = cache_folder()
        known = _remembered(folder, key)
        if known is not None:
            return known
        # Read, not mapped: to touch a mapped page that is cut off meanwhile is death by SIGBUS.
        data = _read(file, before.st_size + 1)
        after = os.fstat(descriptor)
    if _identity(after) != _identity(before) or len(data) != before.st_size:
        raise SchemaError("it changed while it was read; try again")
    entry = _search(data)
    packed = _packed(entry) if folder is not None else b""
    if folder is not None and len(packed) <= _REMEMBERED:
        store_entries(folder, {key: packed})
    return entry


def _open(path: str, flags: int) -> int:
    """For ``open``: never waits for a pipe, and takes nothing but a regular file.

    Raises:
        SchemaError: it is another kind of file.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SchemaError("it is no regular file")
    return descriptor


def _read(file: IO[bytes], size: int) -> bytes:
    """That many bytes, or all there are; some file systems give them in pieces."""
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _identity(status: os.stat_result) -> str:
    """What names the content of a file: a hash would take as long as the search."""
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return sha256(_FORMAT + repr(parts).encode()).hexdigest()


def _search(data: bytes) -> _Entry:
    from toolkit.schema.mending import mend  # only where nothing is remembered
    from toolkit.schema.scan import scan

    found = scan(data)
    # Of several versions of a file: what is registered as it is, then what says more.
    found.sort(key=lambda one: (one.kind != "raw", -len(one.data)))
    mended = mend([one.data for one in found])
    report = [
        Embedded(read_name(one.data), one.offset, one.kind, len(one.data), name is not None, note)
        for one, name, note in zip(found, mended.names, mended.notes, strict=True)
    ]
    return _Entry(mended.files, sorted(report, key=lambda one: one.offset))


def _packed(entry: _Entry) -> bytes:
    import json

    return join_set([json.dumps(entry.report).encode(), *entry.files])


def _remembered(folder: Path | None, key: str) -> _Entry | None:
    body = read_entry(folder, key) if folder is not None else None
    if body is None:
        return None
    import json

    try:
        report, *files = split_set(body)
        return _Entry(files, [Embedded(*one) for one in json.loads(report)])
    except (ValueError, TypeError, SchemaError) as exc:  # its checksum is right all the same
        warn(__name__, "what is remembered of a binary makes no sense: %s", exc)
        return None


def _unreadable(path: str, name: str, error: OSError) -> SchemaError:
    process = name.startswith("pid:")
    if isinstance(error, (FileNotFoundError, ProcessLookupError)):
        if not process:
            return SourceNotFound(path)
        return SchemaError(f"{name}: there is no such process, or it runs no program of a file")
    if isinstance(error, PermissionError):
        hint = "; to see what another user's process runs takes CAP_SYS_PTRACE" if process else ""
        return SchemaError(f"{name}: permission denied{hint}")
    return SchemaError(f"{name}: cannot be read: {error.strerror or error}")
