"""Deadlines of many calls behind one timer."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

__all__ = ["Timers"]

T = TypeVar("T")

_SLACK = 64  # entries of calls that are over, from which on it pays to look for them


class Timers(Generic[T]):
    """Which call's deadline is next; a timer for each call would cost a quarter of its time.

    An entry stays until its deadline passes or ``discard`` has been called often enough, so a call
    with an hour's timeout that took a millisecond does not stay for the hour.
    """

    __slots__ = ("_count", "_discarded", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0  # makes entries comparable
        self._discarded: set[int] = set()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, deadline: float, item: T) -> int:
        """Note a deadline; the number to ``discard`` it by."""
        self._count += 1
        heapq.heappush(self._heap, (deadline, self._count, item))
        return self._count

    def discard(self, number: int) -> None:
        """This one is over."""
        self._discarded.add(number)
        if len(self._discarded) > _SLACK + len(self._heap) // 2:
            self._heap = [entry for entry in self._heap if entry[1] not in self._discarded]
            heapq.heapify(self._heap)
            self._discarded.clear()

    def next(self) -> float | None:
        """The earliest deadline; None when there is none."""
        heap, discarded = self._heap, self._discarded
        while heap and heap[0][1] in discarded:
            discarded.discard(heapq.heappop(heap)[1])
        return heap[0][0] if heap else None

    def expired(self, now: float) -> list[T]:
        """Take out what is past its deadline."""
        items = []
        while (deadline := self.next()) is not None and deadline <= now:
            items.append(heapq.heappop(self._heap)[2])
        return items
