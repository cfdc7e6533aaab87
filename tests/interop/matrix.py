"""The matrix: what is tried with which peer in which role, and the table of what came of it."""

from __future__ import annotations

import enum
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.interop.foreign import PEERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.interop.foreign import Peer

__all__ = [
    "KEY",
    "MARKER",
    "Cell",
    "Topic",
    "as_client",
    "as_server",
    "beside",
    "place_of",
    "table",
]

MARKER = "matrix"
KEY = "interop-cell"  # of the property that a test's report carries
FLAVOURS = ("sync", "asyncio")
_DIRECTIONS = {"client": "to", "server": "from"}


class Topic(enum.Enum):
    """The rows."""

    UNARY = "unary calls"
    CLIENT_STREAMING = "client-streaming calls"
    SERVER_STREAMING = "server-streaming calls"
    BIDI = "bidirectional calls"
    METADATA = "metadata"
    TIMEOUTS = "timeouts and cancelling"
    EMPTY = "empty messages"
    LARGE = "messages up to the limit"
    OVERSIZE = "messages over the limit"
    UNKNOWN = "unknown service and method"
    ERRORS = "errors, after messages too"
    CONCURRENT = "many calls at once"
    KILLED = "peer killed in mid-call"


class Cell(NamedTuple):
    """Where a test counts."""

    topic: str
    role: str  # ours
    peer: str
    flavour: str


def as_client(topic: Topic) -> pytest.MarkDecorator:
    """Marks a test in which our client calls the peer's server."""
    return pytest.mark.matrix(topic, "client")


def as_server(topic: Topic) -> pytest.MarkDecorator:
    """Marks a test in which the peer's client calls our server."""
    return pytest.mark.matrix(topic, "server")


def beside(peer: Peer) -> pytest.MarkDecorator:
    """Marks a test with a peer that is not a column."""
    return pytest.mark.matrix(None, peer)


def place_of(item: pytest.Item) -> tuple[Cell, Peer] | None:
    """The cell of a test, and the peer that it takes; None if it has no place in the matrix."""
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return None
    topic, role = marker.args
    parameters: Mapping[str, Any] = item.callspec.params  # type: ignore[attr-defined]
    flavour = parameters["flavour"].name
    if topic is None:
        return Cell("", "", role.name, flavour), role
    peer: Peer = parameters["peer"]
    return Cell(topic.name, role, peer.name, flavour), peer


def table(outcomes: Iterable[tuple[Cell, bool]]) -> list[str]:
    """The lines of the matrix, as Markdown: tests of the blocking flavour + of asyncio."""
    tried: Counter[Cell] = Counter()
    passed: Counter[Cell] = Counter()
    for cell, good in outcomes:
        tried[cell] += 1
        passed[cell] += good
    columns = [(role, peer.name) for role in ("client", "server") for peer in PEERS]
    rows = [["", *(f"{_DIRECTIONS[role]} {peer}" for role, peer in columns)]]
    for topic in Topic:
        cells = [_text(topic.name, role, peer, tried, passed) for role, peer in columns]
        rows.append([topic.value, *cells])
    besides = sorted({cell.peer for cell in tried if not cell.topic})
    notes = [f"{peer}: {_text('', '', peer, tried, passed)}" for peer in besides]
    return [*_markdown(rows), *(["", f"Besides: {'; '.join(notes)}."] if notes else [])]


def _text(topic: str, role: str, peer: str, tried: Counter[Cell], passed: Counter[Cell]) -> str:
    cells = [Cell(topic, role, peer, flavour) for flavour in FLAVOURS]
    if not any(tried[cell] for cell in cells):
        return "-"
    return " + ".join(
        f"{passed[cell]}" if passed[cell] == tried[cell] else f"{passed[cell]} of {tried[cell]}"
        for cell in cells
    )


def _markdown(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return [
        f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |"
        for row in rows
    ]
