"""Where words go: data to stdout, everything else to stderr, files whole or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["OutputError", "counted", "data", "note", "printable", "write_file"]


class OutputError(ToolkitError):
    """What was asked for cannot be written where it should go."""


def data(text: str) -> None:
    """One piece of what was asked for, on stdout, at once.

    Raises:
        OutputError: stdout is closed, or the disk behind it is full.
    """
    _to_stdout(lambda: print(text, flush=True))


def _to_stdout(write: Callable[[], object]) -> None:
    # Python gives a process without file descriptor 1 no sys.stdout, and print() then says nothing.
    if sys.stdout is None:
        raise OutputError("cannot write to stdout: it is closed")
    try:
        write()
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise OutputError(f"cannot write to stdout: {exc.strerror or exc}") from exc


def note(text: str) -> None:
    """One line for the person at the terminal, on stderr; never data."""
    if sys.stderr is not None:
        print(printable(text), file=sys.stderr)


def counted(number: int, what: str) -> str:
    """``1 method``, ``2 methods``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """``text`` with control characters spelled out: a peer's words may not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def write_file(path: str, content: bytes) -> None:
    """Write the whole file or leave the old one; ``-`` is stdout.

    What is there and is no file, such as a pipe or a device, is written to as it is.
    """
    if path == "-":
        _to_stdout(lambda: (sys.stdout.buffer.write(content), sys.stdout.buffer.flush()))
        return
    import pathlib  # 4 ms that only those who write files pay

    target = pathlib.Path(path)
    if target.exists() and not target.is_file():
        target.write_bytes(content)
    else:
        _replace(target, content)


def _replace(path: Path, content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".ttrpc-", dir=path.parent) as folder:
        whole = path.__class__(folder, path.name)
        whole.write_bytes(content)
        whole.replace(path)
