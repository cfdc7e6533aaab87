"""When to connect again: at once after a good connection, ever later while there is none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from toolkit.errors import ConnectFailed
from toolkit.rpc.deadline import deadline_in, exceeded, remaining

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff", "Patience"]

_ATTEMPT = 10.0  # seconds that one try to connect may take; a SYN that was lost is not waited for

_MOST_DOUBLINGS = 60  # beyond every limit, and below what a float holds


class Backoff:
    """The pauses between tries: twice as long each time, up to a limit, and at random a bit less.

    At random, so that the clients of a server that comes back do not all come at once. ``now`` is
    always the caller's monotonic clock.

    Args:
        first: seconds between the first two tries.
        longest: seconds between two tries at most.
        random: gives a number from 0 up to 1.
    """

    def __init__(
        self,
        *,
        first: float = 0.02,
        longest: float = 5.0,
        random: Callable[[], float] | None = None,
    ) -> None:
        if not 0 < first <= longest:
            raise ValueError(f"pauses from {first} to {longest} s: wanted 0 < first <= longest")
        self._first = first
        self._longest = longest
        self._random = random or _chance()
        self._failures = 0
        self._next = -math.inf  # when the next try may be
        self._good_from = math.inf  # from then on the connection counts as a good one

    def pause(self, now: float) -> float:
        """Seconds to wait before the next try."""
        return max(self._next - now, 0.0)

    def failed(self, now: float) -> None:
        """A try has failed."""
        pause = min(self._first * 2.0 ** min(self._failures, _MOST_DOUBLINGS), self._longest)
        self._failures += 1
        self._next = now + pause * (1 + self._random()) / 2

    def connected(self, now: float) -> None:
        """A try has succeeded; whether the connection is good is still to be seen.

        A server that accepts and then closes is not to be asked again at once, for ever.
        """
        self._good_from = now + self._longest

    def answered(self) -> None:
        """The server has answered a call: the connection is a good one."""
        self._good_from = -math.inf
        self._failures = 0

    def lost(self, now: float) -> None:
        """The connection has gone."""
        if now < self._good_from:
            self.failed(now)
        else:
            self._failures = 0


class Patience:
    """How long one call waits for a connection.

    Attributes:
        deadline: of the call; None without one.
        until: when the waiting ends, at the deadline at the latest; None without an end.
    """

    __slots__ = ("_timeout", "deadline", "until")

    def __init__(self, call_timeout: float | None, timeout: float | None, now: float) -> None:
        self.deadline = deadline_in(call_timeout, now)
        self._timeout = timeout
        ends = (self.deadline, deadline_in(timeout, now))
        finite = [end for end in ends if end is not None and end < math.inf]
        self.until = min(finite, default=None)

    def at_most(self, seconds: float, now: float) -> float:
        """This many seconds, or what is left."""
        left = remaining(self.until, now)
        return seconds if left is None else min(seconds, left)

    def attempt(self, now: float) -> float:
        """Seconds that a try may take."""
        return self.at_most(_ATTEMPT, now)

    def check(self, address: str, last: ConnectFailed | None, now: float) -> None:
        """See whether there is time left.

        Raises:
            DeadlineExceeded: the call's deadline has passed.
            ConnectFailed: the time for connecting has; with what the last try said.
        """
        if self.deadline is not None and self.deadline <= now:
            raise exceeded() from last
        if self.until is not None and self.until <= now:
            reason = f"no connection within {self._timeout:g} s"
            if last is None:
                raise ConnectFailed(address, reason)
            raise ConnectFailed(address, f"{reason}: {last.reason}", hint=last.hint) from last


def _chance() -> Callable[[], float]:
    import random  # 5 ms that only a channel that reconnects pays

    return random.random
