"""The 10-byte frame header and the bytes after it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import RemoteProtocolError
from toolkit.wire.memory import LONG, expect_long_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CLOSE",
    "DATA",
    "HEADER",
    "HEADER_SIZE",
    "MAX_DATA",
    "NO_DATA",
    "READ_SIZE",
    "REMOTE_CLOSED",
    "REMOTE_OPEN",
    "REQUEST",
    "RESPONSE",
    "Frame",
    "FrameReader",
]

HEADER = struct.Struct(">IIBB")  # data length, stream id, message type, flags
HEADER_SIZE = 10

MAX_DATA = 4 << 20  # PROTOCOL.md: "maximum of 4MB"; Go and Rust accept exactly this many bytes

# PROTOCOL.md keeps the first byte of the length at zero, so a length of 16 MiB or more is not a
# long message but a peer that does not speak TTRPC. Nobody should have to skip 4 GiB to find out.
_MAX_LENGTH = (1 << 24) - 1

READ_SIZE = 65536  # holds hundreds of small frames, and stays under malloc's mmap threshold
_LARGE_READ_SIZE = 1 << 20  # while a long frame is on its way

# Message types. The set is open: a number that is not listed is ignored.
REQUEST = 1
RESPONSE = 2
DATA = 3

# Flags. "Remote" is the sender, seen by the receiver: REMOTE_CLOSED says "I am done sending".
REMOTE_CLOSED = 0x01
REMOTE_OPEN = 0x02
NO_DATA = 0x04
CLOSE = REMOTE_CLOSED | NO_DATA

# Stream id, message type, flags, data, data length. A frame over the limit has None for data:
# its bytes are skipped, and the length says how many they are.
Frame: TypeAlias = tuple[int, int, int, "bytes | None", int]


class FrameReader:
    """Cuts a stream of bytes into frames, however it is chunked.

    Attributes:
        read_size: how many bytes the next read should ask for.
    """

    __slots__ = ("_chunks", "_have", "_max_data", "_need", "_skip", "read_size")

    def __init__(self, max_data: int = MAX_DATA) -> None:
        self._chunks: list[bytes] = []  # the beginning of a frame that is not whole yet
        self._have = 0  # bytes in _chunks
        self._need = HEADER_SIZE  # bytes that must be there before looking again is of use
        self._skip = 0  # bytes still to come of a frame over the limit
        self._max_data = max_data
        self.read_size = READ_SIZE

    @property
    def in_frame(self) -> bool:
        """Whether the bytes so far end in the middle of a frame."""
        return bool(self._have or self._skip)

    def whole(self, data: bytes) -> Frame | None:
        """The frame, when these bytes are just one, as nearly every read of a lone caller is.

        None says nothing: ``receive`` them.
        """
        size = len(data) - HEADER_SIZE
        if size < 0 or self._have or self._skip:
            return None
        length, stream_id, message_type, flags = HEADER.unpack_from(data)
        if length != size or length > self._max_data:
            return None
        return stream_id, message_type, flags, data[HEADER_SIZE:], length

    def receive(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete; it must be run to its end.

        Raises:
            RemoteProtocolError: no TTRPC peer sends such a length. The frames before it have
                been given; nothing after it can be read.
        """
        if self._skip:
            data = self._after_skip(data)
        if self._chunks:
            self._chunks.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            if self._have == self._need > READ_SIZE:
                yield self._join()
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
        start, size = 0, len(data)
        while size - start >= HEADER_SIZE:
            length, stream_id, message_type, flags = HEADER.unpack_from(data, start)
            body = start + HEADER_SIZE
            end = body + length
            if length > self._max_data:
                self._check_length(length)
                yield stream_id, message_type, flags, None, length
                self._skip = max(end - size, 0)
                self._plan()
            elif end > size:
                self._keep(data[start:] if start else data, HEADER_SIZE + length)
                return
            else:
                yield stream_id, message_type, flags, data[body:end], length
            start = end
        self._keep(data[start:] if start else data, HEADER_SIZE)

    def _join(self) -> Frame:
        """A long frame, whole now; its data is copied once, not twice."""
        chunks: list[bytes | memoryview] = [*self._chunks]
        length, stream_id, message_type, flags = HEADER.unpack_from(chunks[0])
        chunks[0] = memoryview(chunks[0])[HEADER_SIZE:]
        body = b"".join(chunks)
        self._chunks.clear()
        self._keep(b"", HEADER_SIZE)
        return stream_id, message_type, flags, body, length

    def _after_skip(self, data: bytes) -> bytes:
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        self._plan()
        return data[skipped:]

    def _keep(self, rest: bytes, need: int) -> None:
        self._have, self._need = len(rest), need
        if rest:
            self._chunks.append(rest)
        self._plan()

    def _plan(self) -> None:
        missing = self._need - self._have + self._skip
        if missing >= LONG:
            expect_long_frames()
        self.read_size = READ_SIZE if missing <= READ_SIZE else min(missing, _LARGE_READ_SIZE)

    def _check_length(self, length: int) -> None:
        if length > _MAX_LENGTH:
            raise RemoteProtocolError(
                f"a frame of {length} bytes: TTRPC keeps the first byte of the length at zero,"
                " so the peer does not speak TTRPC"
            )
