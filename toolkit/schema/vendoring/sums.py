"""``SHA256SUMS`` of a line: what each of its files was when it was written.

A comment behind each sum has the digest of the file's interface, so that a touched comment can be
told from a touched field. ``sha256sum --check`` reads the file too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SUMS", "Sum", "file_sum", "read_sums", "sums_text"]

SUMS = "SHA256SUMS"  # in the folder of the line

_INTERFACE = "# interface "


class Sum(NamedTuple):
    """What was recorded of one file.

    Attributes:
        content: the SHA-256 of its bytes.
        interface: the digest of what it declares; empty where it is not recorded.
    """

    content: str
    interface: str


def file_sum(data: bytes) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(data).hexdigest()


def sums_text(files: Mapping[str, str], interfaces: Mapping[str, str]) -> str:
    """The record of a line: the text of its files, and the digest of what each declares."""
    lines = []
    for name, text in sorted(files.items()):
        lines.append(f"{file_sum(text.encode())}  {name}\n")
        if name in interfaces:
            lines.append(f"{_INTERFACE}{interfaces[name]}  {name}\n")
    return "".join(lines)


def read_sums(folder: Path) -> dict[str, Sum]:
    """What was recorded of each file, by name.

    Raises:
        SchemaError: a line of it is not as we write it.
        OSError: it cannot be read.
    """
    path = folder / SUMS
    contents: dict[str, str] = {}
    interfaces: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        target = interfaces if line.startswith(_INTERFACE) else contents
        one, gap, name = line.removeprefix(_INTERFACE).partition("  ")
        if not gap:
            raise SchemaError(f"{path}:{number} is {line!r}; wanted a sum, two spaces and a name")
        target[name] = one
    return {name: Sum(one, interfaces.get(name, "")) for name, one in contents.items()}
