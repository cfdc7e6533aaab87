"""Whether a shim answers: what it is asked, and what comes of it. No waiting here.

Only calls that read are ever made, unary, each under a deadline: Connect, State and Pids. Go ttrpc
1.2.0 to 1.2.7, which is in most runc shims, dies of a Data frame for a method that it lacks; of a
unary request it does not.
"""

from __future__ import annotations

import enum
import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import (
    AddressError,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    RpcError,
)
from toolkit.shim.bootstrap import TASK_SERVICES
from toolkit.shim.finding.running import process_state
from toolkit.shim.namespace import NAMESPACE_KEY
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.schema.method import Method
    from toolkit.schema.pool import Schema
    from toolkit.shim.finding.found import Found

__all__ = ["AT_ONCE", "LIVELY", "LIVELY_FOR", "TIMEOUT", "Answer", "Asking", "Health"]

TIMEOUT = 1.0  # seconds for connecting and Connect; a shim that is well takes one thousandth
AT_ONCE = 400  # shims asked at a time: a process may mostly have 1,024 descriptors open

# Of those only so many that may be about to answer: asking is work, and what waits for our own work
# must not look silent. Who has not answered for so long is waited for without.
LIVELY = 16
LIVELY_FOR = 0.05  # seconds
QUESTIONS = ("Connect", "State", "Pids")


class Answer(enum.Enum):
    """How a shim took a question."""

    ANSWERED = "answered"  # a reply, or a status: it is alive
    SILENT = "silent"  # no reply in time; the kernel may have accepted the connection
    REFUSED = "refused"  # there is a socket file, and nobody listens
    GONE = "gone"  # there is no socket
    DENIED = "denied"  # this user may not connect
    CLOSED = "closed"  # it hung up, or what it sent is no TTRPC
    FAILED = "failed"  # anything else: the address makes no sense, no descriptor is left
    UNASKED = "unasked"  # it was not asked: its address is not known, or it speaks gRPC


_BY_ERRNO = {
    errno.ECONNREFUSED: Answer.REFUSED,
    errno.ENOENT: Answer.GONE,
    errno.ENOTDIR: Answer.GONE,
    errno.EACCES: Answer.DENIED,
    errno.EPERM: Answer.DENIED,
}


class Health(NamedTuple):
    """What came of a question.

    Attributes:
        answer: how it was taken.
        seconds: from connecting to the reply; None without one.
        state: of the process, as ``/proc`` has it: R, S, D, T, Z …; empty where it is not seen.
        task: the version of the task API that answered, 2 or 3.
        reply: the message; None for a status.
        error: the status, or what went wrong.
    """

    answer: Answer
    seconds: float | None = None
    state: str = ""
    task: int | None = None
    reply: Any = None
    error: Exception | None = None


class Asking:
    """One question to one shim, which may take two calls: of task v3, then of v2.

    Args:
        found: the shim.
        schema: of the Task services.
        now: on the clock of the caller, in seconds.
        timeout: seconds for all of it.
        question: Connect, State or Pids.
    """

    def __init__(
        self,
        found: Found,
        schema: Schema,
        *,
        now: float,
        timeout: float = TIMEOUT,
        question: str = "Connect",
    ) -> None:
        assert question in QUESTIONS
        self._found = found
        self._started = now
        self._timeout = timeout
        # The newest in front, but for what the shim itself said.
        order = sorted(TASK_SERVICES, key=lambda task: (task != found.task, -task))
        self._methods = [(task, schema.service(TASK_SERVICES[task])[question]) for task in order]
        self.request = {"id": found.id}
        self.metadata = {NAMESPACE_KEY: found.namespace} if found.namespace else {}

    @property
    def method(self) -> Method:
        """What to call next."""
        return self._methods[0][1]

    def left(self, now: float) -> float:
        """Seconds that are left; never none."""
        return max(self._started + self._timeout - now, 0.001)

    def unasked(self) -> Health | None:
        """Why there is nothing to ask; None where there is."""
        if self._found.address and self._found.protocol == "ttrpc":
            return None
        return self._health(Answer.UNASKED)

    def answered(self, reply: Any, now: float) -> Health:
        """What a reply means."""
        return self._health(
            Answer.ANSWERED,
            seconds=now - self._started,
            task=self._methods[0][0],
            reply=reply,
        )

    def refused(self, error: RpcError, now: float) -> Health | None:
        """What a status means; None where there is another method to call."""
        if isinstance(error, DeadlineExceeded) and not error.by_peer:
            return self._health(Answer.SILENT, error=error)
        lacks = _lacks_service(error, self.method)
        if lacks and len(self._methods) > 1:
            del self._methods[0]
            return None
        return self._health(
            Answer.ANSWERED,
            seconds=now - self._started,
            task=None if lacks else self._methods[0][0],
            error=error,
        )

    def failed(self, error: Exception) -> Health:
        """What it means that there is no connection, or no more."""
        return self._health(_answer_of(error), error=error)

    def _health(self, answer: Answer, **parts: Any) -> Health:
        pid = self._found.pid
        return Health(answer, state=process_state(pid) if pid is not None else "", **parts)


def _answer_of(error: Exception) -> Answer:
    if isinstance(error, ConnectionClosed):
        return Answer.CLOSED
    cause = error.__cause__ if isinstance(error, ConnectFailed) else error
    if isinstance(cause, TimeoutError):  # its backlog is full
        return Answer.SILENT
    if isinstance(cause, OSError) and not isinstance(cause, AddressError):
        return _BY_ERRNO.get(cause.errno or 0, Answer.FAILED)
    return Answer.FAILED


def _lacks_service(error: RpcError, method: Method) -> bool:
    """Whether a status says that the shim has no such service."""
    # Go: UNIMPLEMENTED (before 1.1 NOT_FOUND), "service X". Rust: INVALID_ARGUMENT,
    # "X service does not exist" or "/X/m does not exist".
    named = method.service.name in error.message
    return error.code is Code.UNIMPLEMENTED or (
        named and error.code in {Code.NOT_FOUND, Code.INVALID_ARGUMENT}
    )
