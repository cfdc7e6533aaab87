"""The existing names that come closest to one that does not exist."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["nearest", "own_names"]

MAX_NAMES = 3  # more are no help in one line of text
MAX_LENGTH = 200  # of a name that is worth the comparing, which takes the square of it
SLIP = 0.9  # so alike, a whole name is one with a slip in it: containerd.task.v2.Task.Stat(e)
CUTOFF = 0.6  # difflib's own; lower brings in names that only share a prefix

_SEPARATOR = re.compile(r"[./]")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """At most three of ``known``, the likeliest first.

    That is what differs by a slip, then what ends in the same part (``Task``), then what is
    spelt alike, in whole or in its last part.
    """
    if len(name) > MAX_LENGTH:
        return []
    found: dict[str, None] = {}
    for candidate in _candidates(name, list(dict.fromkeys(known))):
        found[candidate] = None
        if len(found) == MAX_NAMES:
            break
    return list(found)


def own_names(name: str, known: Iterable[str]) -> Iterable[str]:
    """Of ``known``, what may be meant by ``name``: protobuf's own names only where it says so."""
    if name.startswith("google."):
        return known
    return (one for one in known if not one.startswith("google.protobuf."))


def _candidates(name: str, known: list[str]) -> Iterator[str]:
    if _last(name) != name:
        yield from _alike(name, known, key=str, cutoff=SLIP)
    yield from _same_ending(name, known)
    yield from _alike(name, known, key=str, cutoff=CUTOFF)
    yield from _alike(_last(name), known, key=_last, cutoff=CUTOFF)


def _last(name: str) -> str:
    return _SEPARATOR.split(name)[-1]


def _same_ending(name: str, known: list[str]) -> list[str]:
    """The names that end in the same part, whatever its case, most alike first."""
    wanted = _last(name).lower()
    same = [one for one in known if wanted and _last(one).lower() == wanted]
    return sorted(same, key=lambda one: -difflib.SequenceMatcher(None, name, one).ratio())


def _alike(
    name: str, known: list[str], *, key: Callable[[str], str], cutoff: float
) -> Iterator[str]:
    by_key: dict[str, list[str]] = {}
    for one in known:
        by_key.setdefault(key(one).lower(), []).append(one)
    for match in difflib.get_close_matches(name.lower(), by_key, n=MAX_NAMES, cutoff=cutoff):
        yield from by_key[match]
