"""When a channel connects again."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import ConnectFailed, DeadlineExceeded
from toolkit.rpc.backoff import Backoff, Patience


def backoff(random: float = 1.0) -> Backoff:
    """Pauses of 1 s to 8 s, if the dice say so."""
    return Backoff(first=1, longest=8, random=lambda: random)


def test_the_first_try_is_made_at_once() -> None:
    assert backoff().pause(100) == 0


def test_point_18_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    tries = backoff()
    pauses = []
    for _ in range(5):
        tries.failed(100)
        pauses.append(tries.pause(100))

    assert pauses == [1, 2, 4, 8, 8]


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 2000))
def test_point_18_a_pause_is_at_random_up_to_half_shorter(random: float, failures: int) -> None:
    tries = backoff(random)
    for _ in itertools.repeat(None, failures):
        tries.failed(0)

    whole = min(2 ** (failures - 1), 8)
    assert whole / 2 <= tries.pause(0) <= whole


def test_a_pause_is_over_when_its_time_has_come() -> None:
    tries = backoff()
    tries.failed(100)
    assert [tries.pause(now) for now in (100.5, 101, 200)] == [0.5, 0, 0]


def test_an_answer_lets_the_next_try_be_at_once() -> None:
    tries = backoff()
    tries.failed(100)
    tries.connected(101)
    tries.answered()
    tries.lost(101)
    assert tries.pause(101) == 0

    tries.failed(101)
    assert tries.pause(101) == 1


def test_point_18_a_server_that_accepts_and_closes_is_left_alone_ever_longer() -> None:
    tries = backoff()
    pauses = []
    for _ in range(3):
        tries.connected(100)
        tries.lost(100)
        pauses.append(tries.pause(100))

    assert pauses == [1, 2, 4]


def test_a_connection_that_lasted_was_good_without_an_answer() -> None:
    tries = backoff()
    tries.connected(100)
    tries.lost(108)
    assert tries.pause(108) == 0


@pytest.mark.parametrize(("first", "longest"), [(0, 1), (2, 1), (-1, 1)])
def test_pauses_that_make_no_sense_are_refused(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="wanted 0 < first <= longest"):
        Backoff(first=first, longest=longest)


def test_chance_is_there_by_default() -> None:
    pauses = set()
    for _ in range(20):
        tries = Backoff()
        tries.failed(0)
        pauses.add(tries.pause(0))
    assert len(pauses) > 1


def test_a_call_waits_for_a_connection_until_the_earlier_of_its_two_limits() -> None:
    patience = Patience(5.0, 2.0, 100.0)
    assert (patience.deadline, patience.until) == (105.0, 102.0)
    assert patience.at_most(9.0, 101.5) == 0.5
    assert patience.attempt(100.0) <= 2.0
    assert Patience(None, None, 100.0).at_most(9.0, 100.0) == 9.0


def test_time_that_has_run_out_says_whose_it_was() -> None:
    last = ConnectFailed("unix:///x", "nobody listens", hint="try")
    Patience(5.0, 2.0, 100.0).check("unix:///x", None, 101.0)
    with pytest.raises(DeadlineExceeded):
        Patience(1.0, 2.0, 100.0).check("unix:///x", last, 101.0)
    with pytest.raises(ConnectFailed, match=r"no connection within 2 s: nobody listens; try"):
        Patience(5.0, 2.0, 100.0).check("unix:///x", last, 102.0)
    with pytest.raises(ConnectFailed, match=r"no connection within 2 s$"):
        Patience(5.0, 2.0, 100.0).check("unix:///x", None, 102.0)


@pytest.mark.parametrize(
    ("call_timeout", "timeout", "until"),
    [
        (None, None, None),
        (3, None, 103),
        (None, 5, 105),
        (3, 5, 103),
        (5, 3, 103),
        (math.inf, 3, 103),
    ],
)
def test_a_call_waits_until_the_earlier_one_of_its_limits(
    call_timeout: float | None, timeout: float | None, until: float | None
) -> None:
    assert Patience(call_timeout, timeout, 100).until == until


def test_without_a_limit_a_try_has_one_all_the_same() -> None:
    assert Patience(None, None, 100).attempt(100) == 10
    assert Patience(3, None, 100).attempt(101) == 2
    assert Patience(3, None, 100).at_most(1, 102.5) == 0.5


def test_while_there_is_time_the_check_says_nothing() -> None:
    for patience in (Patience(None, None, 100), Patience(3, 5, 100), Patience(math.inf, 5, 100)):
        patience.check("unix:///s", None, 102)


def test_a_deadline_that_has_passed_names_the_last_failure() -> None:
    last = ConnectFailed("unix:///s", "nobody listens there")
    with pytest.raises(DeadlineExceeded) as caught:
        Patience(3, 5, 100).check("unix:///s", last, 103)
    assert caught.value.__cause__ is last


def test_a_limit_for_connecting_says_what_the_last_try_said() -> None:
    last = ConnectFailed("unix:///s", "nobody listens there", hint="start it")
    with pytest.raises(ConnectFailed, match=r"within 5 s: nobody listens there; start it"):
        Patience(None, 5, 100).check("unix:///s", last, 105)
    with pytest.raises(ConnectFailed, match=r"no connection within 5 s$"):
        Patience(None, 5, 100).check("unix:///s", None, 105)
