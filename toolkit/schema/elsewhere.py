"""Whether a release may have a symbol, told from its text without compiling it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.schema.protofiles import files_below, find_file

if TYPE_CHECKING:
    from toolkit.schema.releases import Release

__all__ = ["may_have"]

_PACKAGE = re.compile(rb"^\s*package\s+([\w.]+)\s*;", re.MULTILINE)


def may_have(release: Release, symbol: str) -> bool:
    """Whether one of the release's files is of the symbol's package and has its last name."""
    package, _, name = symbol.rpartition(".")
    if not package:
        return False
    word = re.compile(rb"\b%s\b" % re.escape(name.encode("utf-8", "replace")))
    files = (find_file(file, [release.root]) for file in files_below(release.root))
    return any(
        word.search(file.data) is not None and _is_within(symbol, file.data)
        for file in files
        if file is not None
    )


def _is_within(symbol: str, text: bytes) -> bool:
    match = _PACKAGE.search(text)
    return match is not None and symbol.encode("utf-8", "replace").startswith(match[1] + b".")
