"""What a handler knows about the call that it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.rpc.deadline import remaining
from toolkit.rpc.metadata import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.schema.method import Method

__all__ = ["Context", "Peer"]


class Peer(NamedTuple):
    """Who is at the other end; pid, uid and gid are known for unix sockets on Linux.

    The pid is that of the process which connected or, on a client, which made the listening
    socket: it may be dead by now, and its number another's.
    """

    address: str
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None


class Context:
    """One call, as its handler sees it.

    Attributes:
        method: the ``Method`` that was called.
        peer: who called.
        deadline: on the server's monotonic clock, in seconds; None without one.
    """

    __slots__ = ("_cancelled", "_clock", "_metadata", "_pairs", "deadline", "method", "peer")

    def __init__(
        self,
        method: Method,
        peer: Peer,
        pairs: tuple[tuple[str, str], ...],
        deadline: float | None,
        clock: Callable[[], float],
    ) -> None:
        self.method = method
        self.peer = peer
        self.deadline = deadline
        self._pairs = pairs
        self._metadata: Metadata | None = None
        self._clock = clock
        self._cancelled = False

    @property
    def metadata(self) -> Metadata:
        """The metadata of the Request."""
        if self._metadata is None:
            self._metadata = Metadata(self._pairs)
        return self._metadata

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer: the client is gone, or the deadline has passed."""
        return self._cancelled or self.time_remaining() == 0.0

    def time_remaining(self) -> float | None:
        """Seconds until the deadline, never below 0; None without one."""
        return remaining(self.deadline, self._clock())

    def replace_metadata(self, metadata: Metadata) -> None:
        """What an interceptor made of the metadata."""
        self._metadata = metadata

    def cancel(self) -> None:
        """Note that nobody waits for the answer any more."""
        self._cancelled = True
