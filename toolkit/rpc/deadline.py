"""Timeouts become deadlines, and deadlines what is left of them.

A deadline is a point on the caller's monotonic clock, in seconds; None is none.
"""

from __future__ import annotations

import math

from toolkit.errors import DeadlineExceeded

__all__ = ["deadline_in", "exceeded", "remaining", "timeout_nano"]

_MAX_NANO = (1 << 63) - 1


def deadline_in(timeout: float | None, now: float) -> float | None:
    """The deadline of a call that may take ``timeout`` seconds from ``now``.

    Raises:
        TypeError: the timeout is no number.
        ValueError: it is not a number of seconds.
    """
    if timeout is None:
        return None
    try:
        unclear = math.isnan(timeout)
    except TypeError:
        kind = type(timeout).__name__
        raise TypeError(
            f"timeout is {timeout!r} ({kind}), wanted a number of seconds or None"
        ) from None
    if unclear:
        raise ValueError("a timeout of NaN seconds; None is no timeout")
    return now + timeout


def remaining(deadline: float | None, now: float) -> float | None:
    """Seconds until the deadline, never below 0."""
    return None if deadline is None else max(deadline - now, 0.0)


def timeout_nano(deadline: float | None, now: float) -> int:
    """What a Request carries: nanoseconds from now, at least 1; 0 is none.

    Raises:
        DeadlineExceeded: it has passed. Sent all the same, a server would start the handler, or
            as in Rust take the negative number for 584 years.
    """
    if deadline is None or deadline == math.inf:
        return 0
    left = deadline - now
    if left <= 0:
        raise exceeded()
    return _MAX_NANO if left >= _MAX_NANO / 1e9 else max(int(left * 1e9), 1)


def exceeded() -> DeadlineExceeded:
    """The error of a call whose time ran out on this side."""
    return DeadlineExceeded("the deadline passed before the reply came")
