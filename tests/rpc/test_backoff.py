"""When a channel connects again."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.rpc.backoff import Backoff


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
