"""One promise and what was measured: samples against a limit, with a verdict."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Row", "compare", "interleave", "table"]


class Row(NamedTuple):
    """One line of the report.

    Attributes:
        what: what is measured, and against what.
        samples: one number a round.
        unit: ``x`` for a ratio, ``ms`` for a time.
        limit: what the median may be; None where nothing is promised.
        at_least: the limit is a lower bound.
        skipped: why there are no samples.
        sides: of a ratio, what was measured of us and of them.
    """

    what: str
    samples: Sequence[float] = ()
    unit: str = "x"
    limit: float | None = None
    at_least: bool = False
    skipped: str = ""
    sides: Sequence[tuple[float, float]] = ()

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept; None where there is none, or no samples."""
        if self.limit is None or not self.samples:
            return None
        return self.median >= self.limit if self.at_least else self.median <= self.limit

    def as_json(self) -> dict[str, Any]:
        """The row for a file."""
        return {**self._asdict(), "samples": list(self.samples), "met": self.met}


def interleave(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> list[float]:
    """Run both in turn, A B A B …, so that a busy moment hits both; the ratio of each round."""
    return [our / their for our, their in _turns(ours, theirs, rounds)]


def compare(
    what: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    rounds: int,
    *,
    limit: float | None = None,
    at_least: bool = False,
) -> Row:
    """A row of such ratios."""
    sides = _turns(ours, theirs, rounds)
    ratios = [our / their for our, their in sides]
    return Row(what, ratios, limit=limit, at_least=at_least, sides=sides)


def _turns(
    ours: Callable[[], float], theirs: Callable[[], float], rounds: int
) -> list[tuple[float, float]]:
    ours(), theirs()  # the first run of each pays for caches
    return [(ours(), theirs()) for _ in range(rounds)]


def table(rows: Sequence[Row]) -> str:
    """The report as aligned text."""
    cells = [("what", "promise", "min", "median", "max", ""), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(_aligned(cell, width, left=index in {0, 5}) for index, (cell, width) in line)
        for line in (enumerate(zip(row, widths, strict=True)) for row in cells)
    )


def _aligned(cell: str, width: int, *, left: bool) -> str:
    return cell.ljust(width) if left else cell.rjust(width)


def _cells(row: Row) -> tuple[str, ...]:
    if row.skipped:
        return row.what, _promise(row), "-", "-", "-", f"left out: {row.skipped}"
    numbers = (min(row.samples), row.median, max(row.samples))
    verdict = {True: "met", False: "NOT MET", None: ""}[row.met]
    return row.what, _promise(row), *(_number(number, row.unit) for number in numbers), verdict


def _promise(row: Row) -> str:
    if row.limit is None:
        return ""
    return f"{'>=' if row.at_least else '<='} {row.limit:g} {row.unit}"


def _number(number: float, unit: str) -> str:
    return f"{number:.2f}" if unit == "x" else f"{number:.1f} {unit}"
