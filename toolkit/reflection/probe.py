"""Which services a server has, learnt from how it refuses calls: no schema of its own is needed.

A service that is there refuses a method that nobody has otherwise than one that is not there:

    ======================  ==========================================  ========================
    server                  no such service                             no such method
    ======================  ==========================================  ========================
    Go since 1.1, and ours  UNIMPLEMENTED "service S"                   UNIMPLEMENTED "method M"
    Go before               NOT_FOUND "service S"                       UNIMPLEMENTED "method M"
    Rust, asynchronous      INVALID_ARGUMENT "S service does not exist" UNIMPLEMENTED "M method"
    Rust, blocking          INVALID_ARGUMENT "/S/M does not exist"      the same
    ======================  ==========================================  ========================

Of the last, a method that only reads is asked, with bytes that no decoder takes: where the service
is there the server closes the connection, and the handler never runs. So no question does anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import ConnectionClosed, DeadlineExceeded, NoSchema, RpcError
from toolkit.rpc.raw import raw_message, raw_method
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolkit import sync

__all__ = ["READ_ONLY", "Probe"]

ABSENT = ("toolkit.probe.v1.Absent", "toolkit.probe.v1.AbsentToo")  # no server has them
METHOD = "TtrpcToolkitProbe"  # a method that no service has
BROKEN = b"\x0a\x7f"  # a field of 127 bytes that are not there

# For servers whose refusals of service and method are alike: a method that changes nothing. What is
# not listed is not asked there.
READ_ONLY = {
    "containerd.runtime.linux.shim.v1.Shim": "State",
    "containerd.runtime.sandbox.v1.Sandbox": "SandboxStatus",
    "containerd.task.v2.Task": "State",
    "containerd.task.v3.Task": "State",
    "grpc.AgentService": "GetGuestDetails",
    "grpc.Health": "Version",
}


class _Answer(NamedTuple):
    """A refusal, with the names in it made alike."""

    code: int
    text: str


_CLOSED = _Answer(-1, "the connection was closed")
_ANSWERED = _Answer(0, "it was answered")
_SILENT = _Answer(-2, "there was no answer")

_SILENCE = 0.3  # seconds after which a server has nothing to say to broken bytes


def _is_there(answer: _Answer) -> bool:
    """Whether a refusal is that of a method alone: Go's, Rust's and ours name it, and no service.

    Whatever else a server says is no evidence.
    """
    named = "{method}" in answer.text and "{service}" not in answer.text
    return answer.code == Code.UNIMPLEMENTED and named


class Probe:
    """Asks one server; connections come from ``connect`` and are closed by ``close``.

    Args:
        connect: gives a new channel to the server.
        timeout: seconds for each question.
        patience: seconds for all of them.
        by_path: also ask servers whose refusals are alike, with bytes that no decoder takes.
        told: is given each question and its answer, as a line of text.
    """

    def __init__(
        self,
        connect: Callable[[], sync.Channel],
        *,
        timeout: float = 2.0,
        patience: float = 10.0,
        by_path: bool = True,
        told: Callable[[str], object] | None = None,
    ) -> None:
        self._connect = connect
        self._timeout = timeout
        self._deadline = time.monotonic() + patience
        self._may_ask_by_path = by_path
        self._told = told
        self._channel: sync.Channel | None = None
        self._absent: _Answer | None = None
        self._by_path = False  # this server's refusals of service and method are alike

    def __enter__(self) -> Probe:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def served(self, services: Iterable[str]) -> list[str]:
        """Those of the services that the server has; raises as ``has``."""
        return [service for service in services if self.has(service)]

    def has(self, service: str) -> bool:
        """Whether the server has a service; False too where no harmless question tells.

        Raises:
            NoSchema: the server does not answer, or answers so that nothing can be told.
            ConnectFailed: nobody is there.
        """
        if self._absent is None:
            self._absent = self._learn()
        if not self._by_path:
            return _is_there(self._ask(service, METHOD))
        method = READ_ONLY.get(service)
        if method is None or not self._may_ask_by_path:
            return False
        # Twice: a connection may end for other reasons.
        return all(self._ends_over(service, method) for _ in range(2))

    def _ends_over(self, service: str, method: str) -> bool:
        """Whether the server ends the connection over bytes that no decoder takes."""
        answer = self._ask(service, method, BROKEN)
        if answer == _SILENT:
            # Rust sync/server.rs: the connection's reader sees it only with the next frame.
            answer = self._ask(ABSENT[0], METHOD)
        return answer == _CLOSED

    def _learn(self) -> _Answer:
        """How the server refuses a service that it has not."""
        answer, again = (self._ask(service, METHOD) for service in ABSENT)
        if answer in (_CLOSED, _ANSWERED):
            raise NoSchema(f"probing tells nothing: of a call that nobody has, {answer.text}")
        if answer != again:
            raise NoSchema("probing tells nothing: it refuses like calls in unlike ways")
        self._by_path = "{method}" in answer.text
        return answer

    def _ask(self, service: str, method: str, payload: bytes = b"") -> _Answer:
        if time.monotonic() > self._deadline:
            raise NoSchema("probing tells nothing: it takes too long")
        if self._channel is None:
            self._channel = self._connect()
        timeout = min(self._timeout, _SILENCE) if payload else self._timeout
        try:
            self._channel.call(raw_method(service, method), raw_message(payload), timeout=timeout)
            answer, said = _ANSWERED, "answered"
        except DeadlineExceeded as exc:
            if not payload:
                text = f"no answer within {self._timeout:g} s"
                raise NoSchema(f"probing tells nothing: {text}") from exc
            answer, said = _SILENT, _SILENT.text
        except RpcError as exc:
            text = exc.message.replace(service, "{service}").replace(method, "{method}")
            answer, said = _Answer(int(exc.code), text), str(exc)
        except ConnectionClosed as exc:
            self.close()
            answer, said = _CLOSED, str(exc)
        if self._told is not None:
            self._told(f"{service}/{method}: {said}")
        return answer
