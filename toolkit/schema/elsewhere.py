"""What a release may have, told from its text without compiling it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.schema.protofiles import files_below, find_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.releases import Release

__all__ = ["may_have", "service_names"]

_PACKAGE = re.compile(rb"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)
_SERVICE = re.compile(rb"^\s*service\s+(\w+)\s*\{", re.MULTILINE)


def may_have(release: Release, symbol: str) -> bool:
    """Whether one of the release's files is of the symbol's package and has its last name."""
    package, _, name = symbol.rpartition(".")
    if not package:
        return False
    word = re.compile(rb"\b%s\b" % re.escape(name.encode("utf-8", "replace")))
    return any(
        word.search(text) is not None and _is_within(symbol, text) for text in _texts(release)
    )


def service_names(release: Release) -> list[str]:
    """The full names of the release's services."""
    found = []
    for text in _texts(release):
        package = _PACKAGE.search(text)
        prefix = package[1] + b"." if package is not None else b""
        found += [(prefix + name).decode() for name in _SERVICE.findall(text)]
    return sorted(found)


def _texts(release: Release) -> Iterator[bytes]:
    for name in files_below(release.root):
        file = find_file(name, [release.root])
        if file is not None:
            yield file.data


def _is_within(symbol: str, text: bytes) -> bool:
    match = _PACKAGE.search(text)
    return match is not None and symbol.encode("utf-8", "replace").startswith(match[1] + b".")
