"""What is said of a symbol: its comments, and the lines of its project that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.schema.history import history

if TYPE_CHECKING:
    from toolkit.schema.history import Span
    from toolkit.schema.pool import Schema

__all__ = ["Docs"]


class Docs:
    """The comments of one schema, and the history of its project where it is a release."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        release = schema.release
        self._history = history(release.project) if release is not None else None

    def of(self, symbol: str, *, title: str = "", within: str = "") -> str:
        """What is said of a symbol.

        Args:
            symbol: its full name.
            title: stands after the comments, before the lines that have the symbol.
            within: the symbol that declares it; what is true of both is said there.
        """
        paragraphs = [self._schema.comments(symbol)]
        facts = [title] if title else []
        span = self._span(symbol)
        if span is not None and span != self._span(within):
            facts += _facts(span)
        paragraphs.append(_sentence(facts))
        return "\n\n".join(part for part in paragraphs if part)

    def _span(self, symbol: str) -> Span | None:
        if self._history is None or not symbol:
            return None
        return self._history.span(symbol)


def _facts(span: Span) -> list[str]:
    found = [] if span.oldest else [f"since {span.since}"]
    return found if span.newest else [*found, f"until {span.until}"]


def _sentence(facts: list[str]) -> str:
    text = ", ".join(facts)
    return (
        f"{text[:1].upper()}{text[1:]}."
        if text and not facts[0].startswith("``")
        else (f"{text}." if text else "")
    )
