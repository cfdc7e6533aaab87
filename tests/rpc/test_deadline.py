"""Deadlines: relative on the wire, never negative, never sent when they have passed."""

from __future__ import annotations

import math

import pytest

from toolkit.errors import DeadlineExceeded
from toolkit.rpc.deadline import deadline_in, remaining, timeout_nano


def test_no_timeout_is_no_deadline_and_sends_nothing() -> None:
    assert deadline_in(None, 5.0) is None
    assert remaining(None, 5.0) is None
    assert timeout_nano(None, 5.0) == 0
    assert timeout_nano(math.inf, 5.0) == 0


def test_point_6_the_timeout_on_the_wire_is_what_is_left() -> None:
    assert timeout_nano(deadline_in(2.5, 10.0), 11.0) == 1_500_000_000


def test_point_6_it_is_at_least_one_nanosecond_and_at_most_an_int64() -> None:
    assert timeout_nano(1e-12, 0.0) == 1
    assert timeout_nano(1e300, 0.0) == 2**63 - 1


@pytest.mark.parametrize("timeout", [0.0, -1.0])
def test_point_6_a_deadline_that_has_passed_fails_here(timeout: float) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        timeout_nano(deadline_in(timeout, 10.0), 10.0)
    assert not caught.value.by_peer
    assert isinstance(caught.value, TimeoutError)


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        deadline_in(math.nan, 0.0)


def test_what_is_left_is_never_negative() -> None:
    assert remaining(3.0, 5.0) == 0.0


def test_text_is_no_timeout() -> None:
    with pytest.raises(TypeError, match=r"timeout is '1' \(str\), wanted a number of seconds"):
        deadline_in("1", 0.0)  # type: ignore[arg-type]
