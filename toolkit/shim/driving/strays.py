"""Processes that a ``start`` left behind which gave no address to call them by."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import time
from pathlib import Path

from toolkit.shim.finding.running import pids

__all__ = ["begun_since", "is_shim_of", "kill_strays", "now", "shims_of", "started"]

_PROC = Path("/proc")
_STARTTIME = 19  # behind the name, in /proc/PID/stat


def now() -> float:
    """Seconds since the host booted, as processes' starts are counted."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_DYING = 1.0  # seconds; it takes one of a thousand, unless a disk hangs
_TICKS = 0.05  # seconds that a start may seem to lie back: the kernel counts in hundredths


def kill_strays(bundle: Path, *, namespace: str, id: str, since: float) -> list[int]:
    """Kill the shims of a container that were begun since then; which they were.

    Only what runs in the bundle, names this container on its command line and is no older than
    the call that failed is one: it can be nobody else's.
    """
    killed = []
    for pid in pids():
        with contextlib.suppress(OSError):  # it is gone, or not ours to look at
            descriptor = os.pidfd_open(pid)
            try:
                if is_shim_of(pid, bundle, namespace, id) and started(pid) >= since - _TICKS:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    killed.append(pid)
                    select.select([descriptor], [], [], _DYING)
            finally:
                os.close(descriptor)
    return killed


def shims_of(bundle: Path, *, namespace: str, id: str) -> list[int]:
    """The processes that run in a bundle with this container on their command line."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            if is_shim_of(pid, bundle, namespace, id):
                found.append(pid)
    return found


def is_shim_of(pid: int, bundle: Path, namespace: str, id: str) -> bool:
    """Whether a process runs in a bundle, and names a container on its command line.

    Raises:
        OSError: it is gone, or not ours to look at.
    """
    words = (_PROC / str(pid) / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    pairs = list(itertools.pairwise(words))
    if ("-namespace", namespace) not in pairs or ("-id", id) not in pairs:
        return False
    return (_PROC / str(pid) / "cwd").readlink() == bundle.resolve()


def begun_since(pid: int, since: float) -> bool:
    """Whether a process is no older than that.

    Raises:
        OSError: it is gone.
    """
    return started(pid) >= since - _TICKS


def started(pid: int) -> float:
    """When a process was begun, in seconds since the host booted.

    Raises:
        OSError: there is none.
    """
    text = (_PROC / str(pid) / "stat").read_text()
    ticks = int(text.rpartition(")")[2].split()[_STARTTIME])
    return ticks / os.sysconf("SC_CLK_TCK")
