"""The table of ``ttrpc ps``, made to fit a terminal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["WIDE", "Row", "table"]

WIDE = 1 << 30  # columns: all that there is
_GAP = "  "
_LEAST = 12  # columns of an address, or of an id, that still tell something
_SHORT_ID = 13  # of 64 hexadecimal digits, as crictl shows them


class Row(NamedTuple):
    """A line of it."""

    namespace: str
    id: str
    pid: str
    state: str
    task: str
    answers: str
    binary: str
    address: str


_HEAD = Row("NAMESPACE", "ID", "PID", "STATE", "TASK", "ANSWERS", "BINARY", "ADDRESS")


def table(rows: Sequence[Row], width: int) -> str:
    """The rows below their head, each no wider than ``width`` columns where that can be done.

    What can be spared is left out first: the folder of the binary, the end of a long id, the
    beginning of the binary's name, then the middle of the address.
    """
    for shorten in (_as_it_is, _base_names, _short_ids, _short_names):
        rows = [shorten(row) for row in rows]
        if _width(rows) <= width:
            return _text(rows)
    return _text(_cut(rows, width))


def _as_it_is(row: Row) -> Row:
    return row


def _base_names(row: Row) -> Row:
    return row._replace(binary=row.binary.rpartition("/")[2])


def _short_ids(row: Row) -> Row:
    if re.fullmatch("[0-9a-f]{64}", row.id):
        return row._replace(id=row.id[:_SHORT_ID])
    return row


def _short_names(row: Row) -> Row:
    return row._replace(binary=row.binary.removeprefix("containerd-shim-"))


def _cut(rows: Sequence[Row], width: int) -> list[Row]:
    """With the addresses, then the ids, cut to what is left for them."""
    rows = _fitted(rows, width, lambda row: row.address, _cut_address, "address")
    return _fitted(rows, width, lambda row: row.id, _cut_end, "id")


def _fitted(
    rows: Sequence[Row],
    width: int,
    cell: Callable[[Row], str],
    cut: Callable[[str, int], str],
    field: str,
) -> list[Row]:
    too_much = max(_width(rows) - width, 0)
    longest = max(len(cell(row)) for row in rows)
    room = max(longest - too_much, _LEAST)
    return [row._replace(**{field: cut(cell(row), room)}) for row in rows]


def _cut_address(address: str, room: int) -> str:
    """The beginning of a socket's own name, which tells it from the others."""
    if len(address) <= room:
        return address
    folder, slash, name = address.rpartition("/")
    return _cut_end(f"…/{name}" if slash and folder else address, room)


def _cut_end(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _width(rows: Sequence[Row]) -> int:
    return sum(_widths(rows)) + len(_GAP) * (len(_HEAD) - 1)


def _widths(rows: Sequence[Row]) -> list[int]:
    return [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]


def _text(rows: Sequence[Row]) -> str:
    widths = _widths(rows)
    return "\n".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEAD, *rows)
    )
