"""Frames that wait to be written, in the order in which they must reach the peer."""

from __future__ import annotations

from collections import deque
from itertools import islice

from toolkit.wire.frame import REQUEST

__all__ = ["Outbox"]

_TYPE = 8  # where a frame has its message type
_REQUEST = bytes((REQUEST,))
_JOIN = 1 << 18  # small frames are joined up to this many bytes, a longer one goes as it is


class Outbox:
    """A queue of frames; whoever writes takes a ``chunk``, and says with ``sent`` how far it got.

    Between the two other frames may be put and dropped: those in the chunk stay.

    Attributes:
        size: bytes that wait.
    """

    __slots__ = ("_frames", "_lost", "_offset", "_taken", "size")

    def __init__(self) -> None:
        self._frames: deque[tuple[int, bytes]] = deque()
        self._offset = 0  # bytes of the first frame that are written already
        self._taken = 0  # frames that are in the hands of the writer
        self._lost: frozenset[int] = frozenset()  # streams whose Request was cleared
        self.size = 0

    def put(self, stream_id: int, frame: bytes) -> None:
        """Queue a frame."""
        self._frames.append((stream_id, frame))
        self.size += len(frame)

    def chunk(self) -> bytes | memoryview:
        """The next bytes to write; empty when nothing waits."""
        frames = self._frames
        if not frames:
            return b""
        first = frames[0][1]
        self._taken = 1
        if len(frames) == 1 or len(first) >= _JOIN:
            return memoryview(first)[self._offset :] if self._offset else first
        joined = bytearray(memoryview(first)[self._offset :])
        for index in range(1, len(frames)):
            frame = frames[index][1]
            if len(joined) + len(frame) > _JOIN:
                break
            joined += frame
            self._taken += 1
        return memoryview(joined)

    def sent(self, count: int) -> None:
        """Drop this many bytes from the front: they are written."""
        self.size -= count
        self._taken = 0
        frames = self._frames
        if not self.size:
            frames.clear()
            self._offset = 0
            return
        count += self._offset
        while frames and count >= len(frames[0][1]):
            count -= len(frames.popleft()[1])
        self._offset = count

    def unsent(self) -> frozenset[int]:
        """The streams whose Request has certainly not been written whole, or was cleared."""
        if not self._frames:
            return self._lost
        waiting = islice(self._frames, self._taken, None)
        return self._lost.union(
            stream_id for stream_id, frame in waiting if frame[_TYPE : _TYPE + 1] == _REQUEST
        )

    def clear(self) -> None:
        """Drop everything: nobody takes it any more."""
        self._lost = self.unsent()
        self._frames.clear()
        self._offset = self._taken = self.size = 0

    def drop(self, stream_id: int) -> None:
        """Take back the frames of a stream, except those that are on their way."""
        if not self._frames:
            return
        on_the_way = max(self._taken, 1 if self._offset else 0)
        kept = [
            entry
            for index, entry in enumerate(self._frames)
            if index < on_the_way or entry[0] != stream_id
        ]
        self._frames = deque(kept)
        self.size = sum(len(frame) for _, frame in kept) - self._offset
