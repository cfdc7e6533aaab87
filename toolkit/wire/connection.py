"""What both ends of a connection have: a frame reader, an outbox, streams and counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from toolkit.errors import RpcError
from toolkit.status import Code
from toolkit.wire.frame import HEADER, HEADER_SIZE, MAX_DATA, FrameReader
from toolkit.wire.memory import LONG, expect_long_frames
from toolkit.wire.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.wire.stream import Stream

__all__ = ["Connection", "Counters", "Trace"]

# Called with "sent" or "received", stream id, message type, flags and data length of each frame.
Trace: TypeAlias = "Callable[[str, int, int, int, int], None]"


class Counters:
    """What went over a connection so far.

    Attributes:
        frames_sent, frames_received, bytes_sent, bytes_received: headers included.
        late_frames: frames of calls that were over on this side: cancelled, or past their deadline.
        stray_frames: frames that no correct peer sends, and that nothing could be done about.
    """

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "frames_received",
        "frames_sent",
        "late_frames",
        "stray_frames",
    )

    def __init__(self) -> None:
        self.frames_sent = 0
        self.frames_received = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.late_frames = 0
        self.stray_frames = 0

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)}" for name in sorted(self.__slots__))
        return f"Counters({values})"


class Connection:
    """The part of the protocol that does not depend on the role.

    Attributes:
        outbox: what waits to be written; the layer above drains it after each call.
        streams: the streams that are not finished, by id.
        counters: frames and bytes so far.
        reader: cuts what comes in into frames; its ``read_size`` is for the next read.
        max_data: bytes that one frame may carry, either way.
    """

    __slots__ = ("_trace", "counters", "max_data", "outbox", "reader", "streams")

    def __init__(self, *, max_data: int = MAX_DATA, trace: Trace | None = None) -> None:
        self.max_data = max_data
        self.outbox = Outbox()
        self.streams: dict[int, Any] = {}  # of the class that the role gives them
        self.counters = Counters()
        self.reader = FrameReader(max_data)
        self._trace = trace

    @property
    def in_frame(self) -> bool:
        """Whether the bytes received so far end in the middle of a frame."""
        return self.reader.in_frame

    def check_size(self, data: bytes) -> None:
        """Refuse data that no frame can carry.

        Raises:
            RpcError: RESOURCE_EXHAUSTED, with the length and the limit.
        """
        if len(data) > self.max_data:
            raise self._oversize(len(data))

    def finish(self, stream: Stream) -> None:
        """Forget a stream: nothing more is sent on it, and what still comes is late."""
        stream.finished = True
        self.streams.pop(stream.id, None)

    def _oversize(self, length: int) -> RpcError:
        return RpcError(
            Code.RESOURCE_EXHAUSTED,
            f"message of {length} bytes; TTRPC allows {self.max_data}",
        )

    def _put(self, stream_id: int, message_type: int, flags: int, data: bytes) -> None:
        size = len(data)
        if size >= LONG:
            expect_long_frames()
        frame = HEADER.pack(size, stream_id, message_type, flags) + data
        self.outbox.put(stream_id, frame)
        counters = self.counters
        counters.frames_sent += 1
        counters.bytes_sent += HEADER_SIZE + size
        if self._trace is not None:
            self._trace("sent", stream_id, message_type, flags, size)
