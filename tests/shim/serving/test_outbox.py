"""The queue of events: order, room, retries."""

from __future__ import annotations

import pytest

import toolkit
from toolkit.errors import ConnectFailed, RpcError
from toolkit.shim.serving.outbox import Outbox, is_final


def drained(outbox: Outbox) -> list[object]:
    found = []
    while (event := outbox.first) is not None:
        found.append(event)
        outbox.forwarded()
    return found


def test_events_leave_in_their_order() -> None:
    outbox = Outbox()

    for number in range(5):
        outbox.put(number)

    assert drained(outbox) == [0, 1, 2, 3, 4]


def test_the_oldest_makes_room_but_never_the_one_under_way() -> None:
    outbox = Outbox(size=3)

    lost = [outbox.put(number) for number in range(5)]

    assert lost == [None, None, None, 1, 2]
    assert outbox.dropped == 2
    assert drained(outbox) == [0, 3, 4]


def test_the_first_is_tried_again_after_each_delay_and_then_given_up() -> None:
    outbox = Outbox(delays=(1.0, 2.0))
    outbox.put("a")
    outbox.put("b")

    delays = [outbox.failed() for _ in range(3)]

    assert delays == [1.0, 2.0, None]
    assert (outbox.first, outbox.dropped) == ("b", 1)


def test_a_success_forgets_the_failures() -> None:
    outbox = Outbox(delays=(1.0, 2.0))
    outbox.put("a")
    outbox.put("b")
    outbox.failed()
    outbox.forwarded()

    assert outbox.failed() == 1.0


def test_what_would_be_refused_again_is_given_up_at_once() -> None:
    outbox = Outbox()
    outbox.put("a")

    assert outbox.failed(final=True) is None
    assert (outbox.first, outbox.dropped) == (None, 1)


def test_clear_counts_what_it_gives_up() -> None:
    outbox = Outbox()
    outbox.put("a")
    outbox.put("b")

    assert (outbox.clear(), len(outbox), outbox.dropped) == (2, 0, 2)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (RpcError(toolkit.Code.INVALID_ARGUMENT), True),
        (RpcError(toolkit.Code.UNIMPLEMENTED), True),
        (RpcError(toolkit.Code.UNAVAILABLE), False),
        (RpcError(toolkit.Code.UNKNOWN), False),
        (toolkit.DeadlineExceeded("late"), False),
        (ConnectFailed("unix:///none", "nobody"), False),
    ],
)
def test_which_failures_are_final(error: Exception, final: bool) -> None:
    assert is_final(error) is final
