"""The frame reader: any chunking gives the same frames, and limits hold to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import chunked, frame
from toolkit.errors import RemoteProtocolError
from toolkit.wire.frame import HEADER, MAX_DATA, Frame, FrameReader

frames = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40)
    ),
    max_size=6,
)


def read(chunks: list[bytes], max_data: int = MAX_DATA) -> list[Frame]:
    reader = FrameReader(max_data)
    return [each for chunk in chunks for each in reader.receive(chunk)]


def test_header_is_length_stream_type_flags_big_endian() -> None:
    assert frame(7, 1, 6, b"abc") == b"\0\0\0\3\0\0\0\7\1\6abc"


@given(frames, st.data())
def test_any_chunking_gives_the_same_frames(
    given_frames: list[tuple[int, int, int, bytes]], data: st.DataObject
) -> None:
    whole = b"".join(frame(*each) for each in given_frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert [each[:4] for each in read(chunks)] == given_frames


@given(frames)
def test_byte_by_byte_gives_the_same_frames(
    given_frames: list[tuple[int, int, int, bytes]],
) -> None:
    whole = b"".join(frame(*each) for each in given_frames)

    assert read(list(chunked(whole, 1))) == read([whole])


def test_exactly_4_mib_is_accepted() -> None:
    [(_, _, _, data, length)] = read(list(chunked(frame(1, 1, 0, b"x" * MAX_DATA), 60_000)))

    assert data is not None
    assert len(data) == length == MAX_DATA


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_one_byte_more_is_skipped_and_reported_however_it_is_chunked(size: int) -> None:
    limit = 1000
    whole = frame(1, 1, 0, b"x" * (limit + 1)) + frame(3, 1, 0, b"next")

    assert read(list(chunked(whole, size)), limit) == [
        (1, 1, 0, None, limit + 1),
        (3, 1, 0, b"next", 4),
    ]


def test_a_length_of_16_mib_ends_the_connection_after_the_frames_before_it() -> None:
    whole = frame(1, 1, 0, b"good") + HEADER.pack(1 << 24, 3, 1, 0)
    received = FrameReader().receive(whole)

    assert next(received) == (1, 1, 0, b"good", 4)
    with pytest.raises(RemoteProtocolError, match="does not speak TTRPC"):
        next(received)


def test_a_web_server_answer_is_named_as_not_ttrpc() -> None:
    with pytest.raises(RemoteProtocolError, match="does not speak TTRPC"):
        read([b"HTTP/1.1 400 Bad Request\r\n"])


def test_the_reader_asks_for_the_rest_of_a_long_frame_at_once() -> None:
    reader = FrameReader()
    list(reader.receive(frame(1, 1, 0, b"x" * 500_000)[:1000]))

    assert reader.in_frame
    assert reader.read_size == 500_010 - 1000
