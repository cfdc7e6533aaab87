"""What a Go program says of its build: its version, and that of the ttrpc inside.

Go 1.18 and later write it into the binary as text (``runtime/debug.ReadBuildInfo``).
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

__all__ = ["GoBuild", "Versions", "go_build"]

_MAGIC = b"\xff Go buildinf:"
_INLINE = 2  # of the flags: the two strings follow, each after its length
_STRINGS = 32  # bytes behind the start of the magic
_MOST = 1 << 20  # bytes of the text; a big program's is 30,000
_SENTINEL = 16  # bytes around it
TTRPC = "github.com/containerd/ttrpc"


class GoBuild(NamedTuple):
    """The build of a Go program; empty where it does not say.

    Attributes:
        go: the version of Go.
        version: of the main module: ``v2.4.2``.
        ttrpc: of ``github.com/containerd/ttrpc`` inside.
    """

    go: str
    version: str
    ttrpc: str


def go_build(path: str) -> GoBuild | None:
    """What a program says; None where it is no Go program, or may not be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            size = os.fstat(file.fileno()).st_size
            if not size:
                return None
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return _read(data)
    except (OSError, ValueError):
        return None


def _read(data: mmap.mmap) -> GoBuild | None:
    start = data.find(_MAGIC)
    # The magic may stand in the code that looks for it too; what is written is aligned.
    while start >= 0 and start % 16:
        start = data.find(_MAGIC, start + 1)
    if start < 0 or start + _STRINGS > len(data) or not data[start + 15] & _INLINE:
        return None
    go, position = _string(data, start + _STRINGS)
    text, _ = _string(data, position)
    return _parsed(go.decode("utf-8", "replace"), text[_SENTINEL:-_SENTINEL])


def _string(data: mmap.mmap, position: int) -> tuple[bytes, int]:
    length = shift = 0
    while True:
        if position >= len(data):
            return b"", position
        byte = data[position]
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            break
    if length > _MOST:
        return b"", position
    return data[position : position + length], position + length


def _parsed(go: str, text: bytes) -> GoBuild:
    version = ttrpc = ""
    for line in text.decode("utf-8", "replace").split("\n"):
        match line.split("\t"):
            case ["mod", _, found, *_] if found != "(devel)":
                version = found
            case ["dep", name, found, *_] if name == TTRPC:
                ttrpc = found
    return GoBuild(go, version, ttrpc)


class Versions:
    """The versions of programs, each looked at once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], str] = {}

    def of(self, pid: int | None, path: str) -> str:
        """The version of what a process runs, or of a file; empty where it is not told."""
        exe = f"/proc/{pid}/exe" if pid is not None else path
        try:
            status = os.stat(exe)  # noqa: PTH116
        except OSError:
            return ""
        key = status.st_dev, status.st_ino
        if key not in self._known:
            found = go_build(exe)
            self._known[key] = found.version if found is not None else ""
        return self._known[key]
