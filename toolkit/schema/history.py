"""Since when a project has a symbol or a field, and until when: all its vendored lines compared."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from toolkit.schema.compare import structure_of
from toolkit.schema.releases import releases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolkit.schema.compare import Structure, Symbol
    from toolkit.schema.releases import Release

__all__ = ["FieldSpan", "History", "Span", "field_by_number", "history"]


class Span(NamedTuple):
    """The lines of a project that have something.

    Attributes:
        first: the earliest line that has it.
        last: the latest.
        oldest: whether there is no earlier line vendored, so that it may be older.
        newest: whether there is no later line vendored, so that it is still there.
    """

    first: Release
    last: Release
    oldest: bool
    newest: bool

    @property
    def since(self) -> str:
        """``containerd@1.7 (1.7.34)``: the first line, with the tag that is vendored of it."""
        return _line_and_tag(self.first)

    @property
    def until(self) -> str:
        """The last line in the same way; empty while it is still there."""
        return "" if self.newest else _line_and_tag(self.last)

    @property
    def facts(self) -> list[str]:
        """``since containerd@1.7 (1.7.34)`` and ``until …``, each where it is known."""
        found = [] if self.oldest else [f"since {self.since}"]
        return found if self.newest else [*found, f"until {self.until}"]


class FieldSpan(NamedTuple):
    """A field of a message in the lines that have it.

    Attributes:
        number: its number.
        name: its name.
        type: its type as ``compare`` writes it.
        span: the lines that have it so.
    """

    number: int
    name: str
    type: str
    span: Span


class History:
    """What the vendored lines of one project declare, from the oldest to the newest."""

    def __init__(self, lines: Mapping[Release, Structure]) -> None:
        """Compare lines, given in their order."""
        self._releases = list(lines)
        self._symbols: dict[str, tuple[int, int]] = {}
        self._fields: dict[str, dict[tuple[int, str, str], tuple[int, int]]] = {}
        for index, structure in enumerate(lines.values()):
            for symbol in structure.values():
                self._add(symbol, index)

    def span(self, symbol: str) -> Span | None:
        """The lines that have a symbol; None when none does.

        Args:
            symbol: the full name of a message, enum, service or extension, or of a field, method
                or enum value, below what declares it.
        """
        found = self._symbols.get(symbol.lstrip("./").replace("/", "."))
        return None if found is None else self._span(found)

    def fields(self, message: str, number: int) -> list[FieldSpan]:
        """What this number has been in a message, oldest first: mostly one field, or none."""
        known = self._fields.get(message, {})
        return [
            FieldSpan(*field, self._span(found))
            for field, found in known.items()
            if field[0] == number
        ]

    def _add(self, symbol: Symbol, index: int) -> None:
        self._extend(symbol.name, index)
        for member in symbol.members:
            self._extend(f"{symbol.name}.{member.name}", index)
        if symbol.kind == "message":
            fields = self._fields.setdefault(symbol.name, {})
            for member in symbol.members:
                first, _ = fields.get(member, (index, index))
                fields[member] = first, index

    def _extend(self, name: str, index: int) -> None:
        first, _ = self._symbols.get(name, (index, index))
        self._symbols[name] = first, index

    def _span(self, found: tuple[int, int]) -> Span:
        first, last = found
        return Span(
            self._releases[first],
            self._releases[last],
            oldest=first == 0,
            newest=last == len(self._releases) - 1,
        )


def history(project: str) -> History:
    """The history of a project over all its vendored lines; empty when there are none.

    Raises:
        SchemaError: a vendored line does not compile.
    """
    return _compared(tuple(release for release in releases() if release.project == project))


@functools.cache  # a second question costs no second comparison
def _compared(lines: tuple[Release, ...]) -> History:
    return History({release: _structure(release) for release in lines})


def field_by_number(message: str, number: int, *, first: str = "containerd") -> list[FieldSpan]:
    """What vendored lines know of a field that a schema lacks: for whoever met an unknown number.

    Args:
        message: the full name of the message.
        number: the number that came in.
        first: the project to ask before all others; the first that knows it answers.
    """
    for project in _projects(first):
        found = history(project).fields(message, number)
        if found:
            return found
    return []


def _projects(first: str) -> Iterator[str]:
    known = dict.fromkeys(release.project for release in releases())
    yield from sorted(known, key=lambda project: project != first)


def _structure(release: Release) -> Structure:
    from toolkit.schema.load import schema_from
    from toolkit.schema.sources import VendoredSource

    return structure_of(schema_from(VendoredSource(release)))


def _line_and_tag(release: Release) -> str:
    tag = release.tag.removeprefix("v")
    return f"{release.name} ({tag})" if tag not in ("", release.line) else release.name
