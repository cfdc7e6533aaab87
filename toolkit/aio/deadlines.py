"""One loop timer for the deadlines of many calls."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from toolkit.rpc.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Deadlines"]

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls ``expired`` with what is past its deadline, when it is."""

    def __init__(self, expired: Callable[[list[T]], None]) -> None:
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._timers: Timers[T] = Timers()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._timers)

    def add(self, deadline: float, item: T) -> int:
        """Note a deadline, on the loop's clock; the number to ``discard`` it by."""
        number = self._timers.add(deadline, item)
        if self._timer is None or deadline < self._timer.when():
            self._set(deadline)
        return number

    def discard(self, number: int) -> None:
        """This one is over; at its deadline nothing happens."""
        self._timers.discard(number)

    def close(self) -> None:
        """Nothing happens any more."""
        self._set(None)

    def _set(self, deadline: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._run)

    def _run(self) -> None:
        self._timer = None
        items = self._timers.expired(self._loop.time())
        self._set(self._timers.next())
        if items:
            self._expired(items)
