"""Many deadlines behind one timer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from toolkit.rpc.timers import Timers


@given(st.lists(st.floats(0, 100), max_size=20), st.floats(0, 100))
def test_what_has_expired_comes_out_earliest_first(deadlines: list[float], now: float) -> None:
    timers: Timers[float] = Timers()
    for deadline in deadlines:
        timers.add(deadline, deadline)

    assert timers.expired(now) == sorted(each for each in deadlines if each <= now)
    assert timers.next() == min((each for each in deadlines if each > now), default=None)


def test_calls_that_are_over_do_not_stay_until_their_deadline() -> None:
    timers: Timers[int] = Timers()
    keep = timers.add(3600.0, -1)
    for number in range(100_000):
        timers.discard(timers.add(3600.0, number))

    assert len(timers) < 500
    timers.discard(keep)
    assert timers.next() is None
