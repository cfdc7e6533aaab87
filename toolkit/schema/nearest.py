"""The existing names that come closest to one that does not exist."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["nearest"]

MAX_NAMES = 3  # more are no help in one line of text
CUTOFF = 0.6  # difflib's own; lower brings in names that only share a prefix

_SEPARATOR = re.compile(r"[./]")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most three of ``known``, the likeliest first: the same last part, then a like spelling."""
    candidates = list(dict.fromkeys(known))
    found = _same_ending(name, candidates)
    found += _like_spelling(name, candidates, key=str)
    if len(found) < MAX_NAMES:
        found += _like_spelling(_last(name), candidates, key=_last)
    return list(dict.fromkeys(found))[:MAX_NAMES]


def _last(name: str) -> str:
    return _SEPARATOR.split(name)[-1]


def _same_ending(name: str, candidates: list[str]) -> list[str]:
    """The candidates that end in the same part, whatever its case, most alike first."""
    wanted = _last(name).lower()
    same = [candidate for candidate in candidates if wanted and _last(candidate).lower() == wanted]
    same.sort(key=lambda candidate: -_ratio(name, candidate))
    return same


def _ratio(left: str, right: str) -> float:
    return difflib.SequenceMatcher(None, left, right).ratio()


def _like_spelling(name: str, candidates: list[str], *, key: Callable[[str], str]) -> list[str]:
    by_key: dict[str, list[str]] = {}
    for candidate in candidates:
        by_key.setdefault(key(candidate).lower(), []).append(candidate)
    close = difflib.get_close_matches(name.lower(), by_key, n=MAX_NAMES, cutoff=CUTOFF)
    return [candidate for match in close for candidate in by_key[match]]
