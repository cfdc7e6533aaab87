"""Messages of one stream that came and were not taken yet."""

from __future__ import annotations

from collections import deque

from toolkit.errors import RpcError, ToolkitError
from toolkit.status import Code

__all__ = ["MAX_BYTES", "MAX_MESSAGES", "Inbox"]

# TTRPC has no flow control: when the reader of one stream lags, the choice is to stop reading
# the whole connection, or to give this stream up. Go stops for a second at 64 messages and then
# gives up. These limits give a reader that is merely late the time it needs.
MAX_MESSAGES = 8192
MAX_BYTES = 16 << 20


class Inbox:
    """A bounded queue with an end.

    Attributes:
        ended: nothing more comes after what is queued.
        error: why it ended, when that was not the peer's orderly end.
    """

    __slots__ = ("_messages", "_size", "ended", "error")

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._size = 0
        self.ended = False
        self.error: ToolkitError | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def is_ready(self) -> bool:
        """Whether ``take`` has an answer now."""
        return bool(self._messages) or self.ended

    def put(self, message: bytes) -> RpcError | None:
        """Queue a message; the error of a stream whose reader is too far behind."""
        if len(self._messages) >= MAX_MESSAGES or self._size + len(message) > MAX_BYTES:
            return RpcError(
                Code.RESOURCE_EXHAUSTED,
                f"{len(self._messages)} messages ({self._size} bytes) of this stream wait to be"
                f" read; the limit is {MAX_MESSAGES} messages or {MAX_BYTES} bytes",
            )
        self._messages.append(message)
        self._size += len(message)
        return None

    def end(self, error: ToolkitError | None = None) -> None:
        """Nothing more comes; the first end counts."""
        if not self.ended:
            self.ended = True
            self.error = error

    def take(self) -> bytes | None:
        """The oldest message; None at the orderly end, which stays.

        Raises:
            ToolkitError: the stream ended with this error; it is raised again each time.
        """
        if self._messages:
            message = self._messages.popleft()
            self._size -= len(message)
            return message
        assert self.ended
        if self.error is not None:
            raise self.error.with_traceback(None)
        return None
