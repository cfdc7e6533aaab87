"""Our own words for vendored symbols: ``docs/*.toml`` in a vendor folder."""

from __future__ import annotations

import re
import textwrap
import tomllib
from typing import TYPE_CHECKING, Any

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["WORDS", "read_words"]

WORDS = "docs"  # in a vendor folder

_COLUMNS = 72  # a comment two levels deep fits a terminal of 80
_BRACES = re.compile(r"\{([^{}]*)\}")


def read_words(vendor: Path) -> dict[str, str] | None:
    """What the folder's ``docs`` say, by full name; None where it has no such folder.

    A text is what a comment says, in lines of at most 72 characters; blank lines part paragraphs.
    A key ``a.{v2,v3}.B`` stands for ``a.v2.B`` and ``a.v3.B``.

    Raises:
        SchemaError: a file is not TOML or not of such pairs, or two say something of one symbol.
    """
    paths = sorted((vendor / WORDS).glob("*.toml"))
    if not paths:
        return None
    words: dict[str, str] = {}
    for path in paths:
        for key, text in _read(path).items():
            if not isinstance(text, str) or not text.strip():
                raise SchemaError(f"{path}: {key!r} is {text!r}; wanted some words")
            for symbol in _alternatives(key):
                if symbol in words:
                    raise SchemaError(f"{path}: {symbol!r} has words already")
                words[symbol] = _wrapped(text)
    return words


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SchemaError(f"cannot read {path}: {exc}") from exc


def _alternatives(key: str) -> Iterator[str]:
    match = _BRACES.search(key)
    if match is None:
        yield key
        return
    for part in match[1].split(","):
        yield from _alternatives(key[: match.start()] + part.strip() + key[match.end() :])


def _wrapped(text: str) -> str:
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(
        textwrap.fill(
            " ".join(one.split()), _COLUMNS, break_long_words=False, break_on_hyphens=False
        )
        for one in paragraphs
    )
