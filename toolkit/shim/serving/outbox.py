"""Events that wait to be forwarded: in their order, so many at most, each tried so often.

Nothing here waits or knows the time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DELAYS", "FORWARD_TIMEOUT", "QUEUE_SIZE", "Outbox", "is_final"]

# containerd pkg/shim/publisher.go
QUEUE_SIZE = 2048
FORWARD_TIMEOUT = 5.0  # seconds for one try
DELAYS = (1.0, 2.0, 3.0, 4.0, 5.0)  # seconds before the second try, the third …

# What containerd answers where the same event will never be taken.
_FINAL = (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED)


class Outbox:
    """A queue. The first event is the one that is being forwarded.

    Those behind it wait while it is tried again: who watches a container may rely on their order.

    Attributes:
        dropped: how many were not forwarded: the oldest of too many, and those that were given
            up on.
    """

    def __init__(self, *, size: int = QUEUE_SIZE, delays: Sequence[float] = DELAYS) -> None:
        assert size > 1
        self.dropped = 0
        self._size = size
        self._delays = tuple(delays)
        self._waiting: deque[Any] = deque()
        self._failures = 0  # of the first

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, event: Any) -> Any | None:
        """Add one at the end; the oldest is given back if it had to make room.

        The first of all never goes so: it is under way.
        """
        lost = None
        if len(self._waiting) >= self._size:
            lost = self._waiting[1]
            del self._waiting[1]
            self.dropped += 1
        self._waiting.append(event)
        return lost

    @property
    def first(self) -> Any | None:
        """What is to be forwarded now; None without any."""
        return self._waiting[0] if self._waiting else None

    def forwarded(self) -> None:
        """The first has arrived."""
        self._waiting.popleft()
        self._failures = 0

    def failed(self, *, final: bool = False) -> float | None:
        """The first has not arrived: seconds until its next try; None if it is given up."""
        if not final and self._failures < len(self._delays):
            self._failures += 1
            return self._delays[self._failures - 1]
        self._waiting.popleft()
        self._failures = 0
        self.dropped += 1
        return None

    def clear(self) -> int:
        """Give up all; how many there were."""
        lost = len(self._waiting)
        self._waiting.clear()
        self.dropped += lost
        return lost


def is_final(error: Exception) -> bool:
    """Whether to try again would be answered the same."""
    return isinstance(error, RpcError) and error.code in _FINAL
