"""Processes that a ``start`` left behind which gave no address to call them by."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["kill_strays", "now", "started"]

_PROC = Path("/proc")
_STARTTIME = 19  # behind the name, in /proc/PID/stat


def now() -> float:
    """Seconds since the host booted, as processes' starts are counted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def kill_strays(bundle: Path, *, namespace: str, id: str, since: float) -> list[int]:
    """Kill the shims of a container that were begun since then; which they were.

    Only what runs in the bundle, names this container on its command line and is no older than
    the call that failed is one: it can be nobody else's.
    """
    killed = []
    for pid in _processes():
        with contextlib.suppress(OSError):  # it is gone, or not ours to look at
            descriptor = os.pidfd_open(pid)
            try:
                if _is_stray(pid, bundle, namespace, id, since):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    killed.append(pid)
            finally:
                os.close(descriptor)
    return killed


def _processes() -> Iterator[int]:
    for name in os.listdir(_PROC):  # noqa: PTH208
        if name.isdecimal() and int(name) != os.getpid():
            yield int(name)


def _is_stray(pid: int, bundle: Path, namespace: str, id: str, since: float) -> bool:
    words = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    pairs = list(itertools.pairwise(words))
    if ("-namespace", namespace) not in pairs or ("-id", id) not in pairs:
        return False
    folder = (_PROC / str(pid) / "cwd").readlink()
    return folder == bundle.resolve() and started(pid) >= since - 1


def started(pid: int) -> float:
    """When a process was begun, in seconds since the host booted.

    Raises:
        OSError: there is none.
    """
    text = (_PROC / str(pid) / "stat").read_text()
    ticks = int(text.rpartition(")")[2].split()[_STARTTIME])
    return ticks / os.sysconf("SC_CLK_TCK")
