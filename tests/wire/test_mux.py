"""NRI's multiplexer: what it sends NRI can read, and what it is sent never hurts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.frames import chunked, frame
from toolkit.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.frame import HEADER as FRAME_HEADER
from toolkit.wire.frame import MAX_DATA
from toolkit.wire.mux import (
    HEADER,
    MAX_CONNECTION,
    MAX_EARLY,
    MAX_EARLY_CONNECTIONS,
    MAX_PAYLOAD,
    READ_BUFFER,
    Branch,
    Trunk,
)

if TYPE_CHECKING:
    from toolkit.wire.outbox import Outbox

FRAME_LENGTHS = st.lists(st.integers(0, 3 * READ_BUFFER), max_size=6)


def drain(outbox: Outbox) -> bytes:
    """What waits in an outbox, which is empty afterwards."""
    out = bytearray()
    while outbox.size:
        chunk = outbox.chunk()
        out += chunk
        outbox.sent(len(chunk))
    return bytes(out)


def mux_frame(number: int, payload: bytes) -> bytes:
    return HEADER.pack(number, len(payload)) + payload


def mux_frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames in these bytes, which are whole ones."""
    frames = []
    while data:
        number, length = HEADER.unpack_from(data)
        frames.append((number, data[HEADER.size : HEADER.size + length]))
        assert len(frames[-1][1]) == length
        data = data[HEADER.size + length :]
    return frames


class NriReader:
    """How Go reads a connection: ttrpc's bufio.Reader over the mux's Read."""

    def __init__(self, payloads: list[bytes]) -> None:
        self._payloads = payloads
        self._buffered = b""

    def frames(self) -> list[bytes]:
        found = []
        while self._payloads or self._buffered:
            header = self._full(FRAME_HEADER.size)
            found.append(header + self._full(FRAME_HEADER.unpack(header)[0]))
        return found

    def _full(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._read(size - len(data))
        return data

    def _read(self, size: int) -> bytes:
        # bufio.Reader.Read: straight into a destination that is not smaller than the buffer.
        if not self._buffered and size >= READ_BUFFER:
            return self._mux_read(size)
        if not self._buffered:
            self._buffered = self._mux_read(READ_BUFFER)
        data, self._buffered = self._buffered[:size], self._buffered[size:]
        return data

    def _mux_read(self, size: int) -> bytes:
        payload = self._payloads.pop(0)
        assert len(payload) <= size, f"ENOMEM: {len(payload)} bytes for a buffer of {size}"
        return payload


@given(FRAME_LENGTHS, st.integers(500, 3 * READ_BUFFER))
def test_point_32_nri_reads_every_frame_however_it_is_sent(lengths: list[int], size: int) -> None:
    frames = [frame(2 * n + 1, 1, 0, bytes(length)) for n, length in enumerate(lengths)]
    branch = Branch(1)

    payloads = [
        payload for data in chunked(b"".join(frames), size) for payload in branch.payloads(data)
    ]

    assert NriReader(payloads).frames() == frames


@pytest.mark.parametrize("length", [4087, 4200, 65536, 1 << 20, 4_100_000, MAX_DATA])
def test_point_32_a_long_frame_is_two_payloads_the_first_of_4096_bytes(length: int) -> None:
    whole = frame(1, 1, 0, bytes(length))

    payloads = list(Branch(1).payloads(whole))

    assert [len(payload) for payload in payloads] == [READ_BUFFER, len(whole) - READ_BUFFER]


def test_small_frames_share_a_payload_for_nri_queues_no_more_than_256() -> None:
    small = frame(1, 1, 0, bytes(40))

    payloads = list(Branch(1).payloads(small * 1000))

    assert len(payloads) == 13
    assert b"".join(payloads) == small * 1000


def test_a_frame_that_is_not_whole_waits_for_its_rest() -> None:
    whole = frame(1, 1, 0, b"abc")
    branch = Branch(1)

    assert list(branch.payloads(whole[:-1])) == []
    assert list(branch.payloads(whole[-1:])) == [whole]


def test_bytes_that_are_not_ttrpc_are_not_sent() -> None:
    trunk = Trunk()
    with pytest.raises(LocalProtocolError, match="TTRPC allows 4194304"):
        trunk.send(trunk.open(1), b"GET / HTTP/1.1\r\n\r\n")
    assert not trunk.outbox.size


def test_each_connection_has_its_own_bytes_in_order() -> None:
    trunk = Trunk()
    first, second = trunk.open(1), trunk.open(2)
    a, b = frame(1, 1, 0, b"a"), frame(1, 2, 0, b"b")
    trunk.send(first, a)
    trunk.send(second, b)
    trunk.send(first, b)

    assert mux_frames(drain(trunk.outbox)) == [(1, a), (2, b), (1, b)]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.binary(max_size=50)), max_size=20),
    st.integers(1, 60),
)
def test_any_chunking_gives_the_same_bytes(sent: list[tuple[int, bytes]], size: int) -> None:
    trunk = Trunk()
    branches = {number: trunk.open(number) for number in (1, 2, 3)}

    for data in chunked(b"".join(mux_frame(*each) for each in sent), size):
        trunk.receive(data)

    for number, branch in branches.items():
        assert drain(branch.inbox) == b"".join(data for to, data in sent if to == number)
    assert not trunk.in_frame


@pytest.mark.parametrize("length", [MAX_PAYLOAD + 1, (1 << 32) - 1])
def test_point_32_a_payload_over_the_limit_is_no_mux(length: int) -> None:
    trunk = Trunk()
    trunk.open(1)
    with pytest.raises(RemoteProtocolError, match="NRI's mux allows 4194314"):
        trunk.receive(HEADER.pack(1, length))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3) | st.integers(0, MAX_CONNECTION),
            st.integers(0, 40) | st.integers(0, (1 << 32) - 1),
            st.binary(max_size=40),
        ),
        max_size=30,
    )
)
def test_point_33_hostile_frames_raise_nothing_but_protocol_errors(
    hostile: list[tuple[int, int, bytes]],
) -> None:
    trunk = Trunk(max_waiting=200)
    trunk.open(1)
    try:
        for number, length, data in hostile:
            trunk.receive(HEADER.pack(number, length) + data)
    except RemoteProtocolError:
        pass
    assert len(trunk.branches) <= MAX_EARLY_CONNECTIONS + 1
    assert trunk.branches[1].inbox.size <= 200 + HEADER.size + 40


def test_point_32_a_reader_that_is_behind_ends_the_trunk() -> None:
    trunk = Trunk(max_waiting=1000)
    trunk.open(1)
    trunk.receive(mux_frame(1, bytes(1000)))
    with pytest.raises(RemoteProtocolError, match="1001 bytes wait on connection 1"):
        trunk.receive(mux_frame(1, b"x"))


def test_a_reader_that_keeps_up_may_get_any_number_of_bytes() -> None:
    trunk = Trunk(max_waiting=1000)
    branch = trunk.open(1)
    for _ in range(10):
        trunk.receive(mux_frame(1, bytes(1000)))
        assert len(drain(branch.inbox)) == 1000


def test_what_comes_before_a_connection_is_opened_is_kept() -> None:
    trunk = Trunk()
    trunk.receive(mux_frame(2, b"early"))
    assert drain(trunk.open(2).inbox) == b"early"


def test_too_much_for_a_connection_that_is_not_open_is_dropped_and_the_trunk_lives() -> None:
    trunk = Trunk()
    other = trunk.open(1)
    trunk.receive(mux_frame(2, bytes(MAX_PAYLOAD)))
    trunk.receive(mux_frame(2, b"x") + mux_frame(2, b"y") + mux_frame(1, b"other"))

    assert trunk.dropped_bytes == MAX_EARLY + 2
    assert trunk.branches[2].inbox.size == 0
    assert drain(other.inbox) == b"other"
    with pytest.raises(LocalProtocolError, match="lost already"):
        trunk.open(2)


def test_any_number_of_connections_that_nobody_opens_takes_bounded_memory() -> None:
    trunk = Trunk()
    trunk.receive(b"".join(mux_frame(number, b"x") for number in range(1, 1000)))

    assert len(trunk.branches) == MAX_EARLY_CONNECTIONS
    assert trunk.dropped_bytes == 999 - MAX_EARLY_CONNECTIONS
    assert drain(trunk.open(1).inbox) == b"x"
    with pytest.raises(LocalProtocolError, match="may be lost already"):
        trunk.open(999)


def test_what_comes_for_a_closed_connection_is_dropped() -> None:
    trunk = Trunk()
    branch = trunk.open(1)
    trunk.receive(mux_frame(1, b"a"))
    trunk.close(branch)
    trunk.receive(mux_frame(1, b"bc"))

    assert not branch.inbox.size
    assert trunk.dropped_bytes == 2


def test_connection_0_is_reserved() -> None:
    trunk = Trunk()
    trunk.receive(mux_frame(0, b"abc"))
    assert trunk.dropped_bytes == 3
    assert not trunk.branches


@pytest.mark.parametrize("number", [-1, 0, MAX_CONNECTION + 1])
def test_a_number_that_no_connection_has_is_refused(number: int) -> None:
    with pytest.raises(LocalProtocolError, match="they count from 1 to 4294967295"):
        Trunk().open(number)


def test_a_connection_is_opened_once() -> None:
    trunk = Trunk()
    trunk.close(trunk.open(1))
    with pytest.raises(LocalProtocolError, match="was opened before"):
        trunk.open(1)


def test_a_frame_that_is_cut_off_shows() -> None:
    trunk = Trunk()
    trunk.receive(mux_frame(1, b"abc")[:-1])
    assert trunk.in_frame


def test_a_trunk_is_full_at_a_mebibyte() -> None:
    trunk = Trunk()
    branch = trunk.open(1)
    full = []
    for _ in range(2):
        trunk.send(branch, frame(1, 1, 0, bytes(1 << 19)))
        full.append(trunk.full)
    assert full == [False, True]
    assert repr(branch) == "<Branch 1 open>"
