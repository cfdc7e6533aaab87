"""The outbox: bytes leave in order, whatever is taken back meanwhile."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import frame
from toolkit.wire.frame import DATA, REQUEST
from toolkit.wire.outbox import Outbox


def drain(outbox: Outbox, step: int) -> bytes:
    out = bytearray()
    while outbox.size:
        piece = bytes(outbox.chunk()[:step])
        out += piece
        outbox.sent(len(piece))
    return bytes(out)


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=10), st.integers(1, 70))
def test_partial_writes_lose_and_repeat_nothing(frames: list[bytes], step: int) -> None:
    outbox = Outbox()
    for number, each in enumerate(frames):
        outbox.put(number, each)

    assert drain(outbox, step) == b"".join(frames)


def test_a_cancelled_call_takes_its_unsent_frames_back() -> None:
    outbox = Outbox()
    outbox.put(1, b"one")
    outbox.put(3, b"three")
    outbox.put(1, b"one again")

    outbox.drop(1)

    assert drain(outbox, 100) == b"three"


def test_a_frame_that_is_partly_written_is_never_cut() -> None:
    outbox = Outbox()
    outbox.put(1, b"one")
    outbox.chunk()
    outbox.sent(1)

    outbox.drop(1)

    assert drain(outbox, 100) == b"ne"


def test_frames_in_the_hands_of_the_writer_stay_when_their_call_is_cancelled() -> None:
    outbox = Outbox()
    outbox.put(1, b"one")
    outbox.put(3, b"three")
    taken = bytes(outbox.chunk())
    outbox.put(3, b"later")

    outbox.drop(3)
    outbox.sent(len(taken))

    assert taken == b"onethree"
    assert outbox.size == 0


def test_a_long_frame_is_not_copied_to_be_joined() -> None:
    outbox = Outbox()
    long = b"x" * (1 << 18)
    outbox.put(1, long)
    outbox.put(3, b"y")

    assert outbox.chunk() is long


def test_cleared_is_empty() -> None:
    outbox = Outbox()
    outbox.put(1, b"one")

    outbox.clear()

    assert (outbox.size, outbox.chunk()) == (0, b"")


def test_small_frames_are_joined_up_to_a_limit() -> None:
    outbox = Outbox()
    for number in range(3):
        outbox.put(number, b"x" * 100_000)

    assert len(outbox.chunk()) == 200_000


def test_a_call_without_frames_takes_nothing_back() -> None:
    outbox = Outbox()
    outbox.drop(1)
    assert outbox.size == 0


def request(stream_id: int) -> bytes:
    return frame(stream_id, REQUEST, 0, b"abc")


def test_point_18_what_is_not_written_whole_is_unsent() -> None:
    outbox = Outbox()
    for stream_id in (1, 3, 5):
        outbox.put(stream_id, request(stream_id))
    outbox.chunk()
    outbox.sent(len(request(1)) + 1)

    assert outbox.unsent() == {3, 5}


def test_point_18_what_is_in_the_hands_of_the_writer_may_be_sent() -> None:
    outbox = Outbox()
    outbox.put(1, request(1))
    outbox.chunk()
    outbox.put(3, request(3))

    assert outbox.unsent() == {3}


def test_point_18_what_was_cleared_is_unsent() -> None:
    outbox = Outbox()
    outbox.put(1, request(1))
    outbox.clear()
    outbox.clear()
    outbox.put(3, request(3))

    assert outbox.unsent() == {1, 3}


def test_point_18_a_stream_whose_request_is_written_is_not_unsent() -> None:
    outbox = Outbox()
    outbox.put(1, request(1))
    outbox.put(1, frame(1, DATA, 0, b"abc"))
    outbox.chunk()
    outbox.sent(len(request(1)))

    assert outbox.unsent() == frozenset()
