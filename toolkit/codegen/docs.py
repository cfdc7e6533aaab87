"""What is said of a symbol: its comments, and the lines of its project that have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.schema.history import history

if TYPE_CHECKING:
    from toolkit.schema.history import Span
    from toolkit.schema.pool import Schema

__all__ = ["Docs"]

# The line that vendored files have at the end of a comment: `Since containerd@1.7 (1.7.34).`
_SPAN = r"(?:^|\n)(?:Since|Until) \S+@\S+(?: \([^)]*\))?(?:, until \S+@\S+(?: \([^)]*\))?)?\.$"


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
        comments = self._schema.comments(symbol)
        if self._history is not None:  # it is said below, of the lines that are there now
            comments = re.sub(_SPAN, "", comments).rstrip()
        facts = [title] if title else []
        span = self._span(symbol)
        if span is not None and span != self._span(within):
            facts += span.facts
        return "\n\n".join(part for part in (comments, _sentence(facts)) if part)

    def _span(self, symbol: str) -> Span | None:
        if self._history is None or not symbol:
            return None
        return self._history.span(symbol)


def _sentence(facts: list[str]) -> str:
    text = ", ".join(facts)
    return (
        f"{text[:1].upper()}{text[1:]}."
        if text and not facts[0].startswith("``")
        else (f"{text}." if text else "")
    )
