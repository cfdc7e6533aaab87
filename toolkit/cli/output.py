"""Where words go: data to stdout, everything else to stderr, files whole or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["data", "note", "printable", "write_file"]


def data(text: str) -> None:
    """One piece of what was asked for, on stdout, at once."""
    print(text, flush=True)


def note(text: str) -> None:
    """One line for the person at the terminal, on stderr; never data."""
    print(text, file=sys.stderr)


def printable(text: str) -> str:
    """``text`` with control characters spelled out: a peer's words may not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def write_file(path: str, content: bytes) -> None:
    """Write the whole file or leave the old one; ``-`` is stdout."""
    if path == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    import pathlib  # 4 ms that only those who write files pay

    _replace(pathlib.Path(path), content)


def _replace(path: Path, content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".ttrpc-", dir=path.parent) as folder:
        whole = path.__class__(folder, path.name)
        whole.write_bytes(content)
        whole.replace(path)
