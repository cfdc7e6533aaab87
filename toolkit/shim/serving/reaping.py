"""Adopting what a container's processes leave behind, and reaping it when it has died.

A shim is a subreaper: whatever a process of its has started, and does not wait for, becomes its
child. Python's own children must be left to who waits for them, or their exit status is lost.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.shim.hosting import procfs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["Reaper", "become_subreaper"]

logger = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
_GRACE = 1.0  # seconds that a dead child is left to whoever may wait for it
_STOP, _LOOK = 0, -1  # no signals


def become_subreaper() -> None:
    """Adopt the orphans among our descendants.

    Raises:
        OSError: the kernel does not do it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"cannot adopt orphaned processes: {os.strerror(number)}")


class Reaper:
    """A thread that reaps dead children which nobody else waits for, and is told of signals.

    A dead child is left alone for a second, and then as long as there is a ``subprocess.Popen``
    for it, waited for or not. What is made by ``os.fork`` has to be waited for within that second.

    Attributes:
        reaped: how many.
    """

    def __init__(self, *, on_end: Callable[[int], None] | None = None) -> None:
        """``on_end`` is called, in this thread, with each SIGTERM and SIGINT."""
        self.reaped = 0
        self._on_end = on_end
        # Of all that Python has, this alone may be used in a signal handler, which can interrupt
        # itself: a lock that it holds would be waited for forever.
        self._arrived: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="shim-reaper", daemon=True)

    def start(self) -> None:
        """Begin; only the main thread may, because signals are its own."""
        self._thread.start()
        signal.signal(signal.SIGCHLD, self._on_signal)
        if self._on_end is not None:
            signal.signal(signal.SIGTERM, self._on_signal)
            signal.signal(signal.SIGINT, self._on_signal)

    def stop(self) -> None:
        """End the thread."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._arrived.put(_STOP)
        self._thread.join()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._arrived.put(number)

    def _run(self) -> None:
        seen: set[int] = set()
        look_at: float | None = None
        while (number := self._next(look_at)) != _STOP:
            if number == _LOOK:
                seen = self._look(seen)
                look_at = time.monotonic() + _GRACE if seen else None
            elif number == signal.SIGCHLD:
                look_at = look_at or time.monotonic() + _GRACE
            elif self._on_end is not None:
                self._on_end(number)

    def _next(self, look_at: float | None) -> int:
        left = None if look_at is None else max(0.0, look_at - time.monotonic())
        try:
            return self._arrived.get(timeout=left)
        except queue.Empty:
            return _LOOK

    def _look(self, seen: set[int]) -> set[int]:
        """Reap those that were dead before, and that nobody waits for; who is dead now."""
        dead = set(_dead_children())
        old = dead & seen
        for pid in old - (_awaited() if old else set()):
            self._reap(pid)
            dead.discard(pid)
        return dead

    def _reap(self, pid: int) -> None:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return  # somebody was waiting for it after all
        self.reaped += 1
        logger.debug("reaped the orphan %d", pid)


def _dead_children() -> list[int]:
    own = os.getpid()
    return [pid for pid in _children(own) if procfs.is_dead(pid)]


def _children(own: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{own}/task").iterdir():
            found += map(int, (task / "children").read_bytes().split())
    except FileNotFoundError:  # a thread that has ended, or a kernel that does not list them
        return procfs.children(own)
    return found


def _awaited() -> set[int]:
    """The pids of all ``Popen`` objects that have not been told of their child's end."""
    objects = [one for one in gc.get_objects() if isinstance(one, subprocess.Popen)]
    return {one.pid for one in objects if one.returncode is None}
