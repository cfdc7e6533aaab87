"""Leaving a server behind: a process of its own that has nothing to do with who started it.

The server is a fork, not a second start of the interpreter: it begins with all that ``start`` has
loaded, which halves the time until containerd can call it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import NamedTuple

from toolkit.errors import ToolkitError

__all__ = ["Birth", "Child", "adjust_oom_score", "detach"]

TIMEOUT = 30.0  # seconds for a server to be ready; a tenth of one is usual
READY = b"ready"
MAX_OOM_SCORE = 1000
_ARG_END = 46  # behind the name, in /proc/PID/stat: proc(5), field 49


class ServerFailed(ToolkitError):
    """The server that ``start`` left behind could not begin to serve."""


class Birth(NamedTuple):
    """The server's end of its making.

    Attributes:
        pipe: where ``start`` waits to be told.
    """

    pipe: int

    def ready(self) -> None:
        """Let ``start`` answer.

        Raises:
            ServerFailed: it is gone, so that nobody will ever know of this server.
        """
        try:
            os.write(self.pipe, READY)
        except OSError as exc:
            raise ServerFailed("who started this server is gone") from exc
        os.close(self.pipe)

    def failed(self, reason: str) -> None:
        """Let ``start`` fail."""
        with contextlib.suppress(OSError):  # it was told before, or it waits no longer
            os.write(self.pipe, reason.encode())
            os.close(self.pipe)


class Child(NamedTuple):
    """The other end: the server, as ``start`` sees it.

    Attributes:
        pid: of the server.
        pipe: what it tells.
    """

    pid: int
    pipe: int

    def await_ready(self) -> None:
        """Wait until it serves.

        Raises:
            ServerFailed: it has given up, or takes too long and was killed.
        """
        told = self._read()
        os.close(self.pipe)
        if told == READY:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        if told is None:
            raise ServerFailed(f"the server was not ready within {TIMEOUT:g} s")
        raise ServerFailed(told.decode("utf-8", "replace") or "the server died before it was ready")

    def _read(self) -> bytes | None:
        poll = select.poll()
        poll.register(self.pipe, select.POLLIN)
        if not poll.poll(TIMEOUT * 1000):
            return None
        return os.read(self.pipe, 4096)


def detach() -> Child | Birth:
    """Fork: a ``Child`` to wait for in the old process, a ``Birth`` in the new one.

    The new one has a session of its own and no stdin, stdout or stderr: containerd reads the
    two last ones until everybody has closed them.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    os.close(reading)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    _drop_last_argument(b"start")
    return Birth(writing)


def adjust_oom_score(pid: int) -> None:
    """Make a process one step more likely to be killed than our parent, for want of memory.

    containerd's shims do it, so that containerd outlives them. Where it is not allowed, nothing.
    """
    with contextlib.suppress(OSError):
        score = int(Path(f"/proc/{os.getppid()}/oom_score_adj").read_text())
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(score + 1, MAX_OOM_SCORE)))


def _drop_last_argument(word: bytes) -> None:
    """Take a word off the end of our command line, as ``ps`` shows it: a server has no action."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        stat = Path("/proc/self/stat").read_bytes()
        end = int(stat[stat.rindex(b")") + 2 :].split()[_ARG_END])
        length = len(word) + 1
        with open("/proc/self/mem", "r+b", buffering=0) as memory:  # noqa: PTH123
            memory.seek(end - length)
            if memory.read(length) == word + b"\0":
                memory.seek(end - length)
                memory.write(bytes(length))
