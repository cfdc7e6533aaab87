"""What Linux's ``/proc`` knows about the processes of a session."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "Usage",
    "children",
    "end_session",
    "is_dead",
    "session_members",
    "signal_session",
    "start_time",
    "usage",
]

_PROC = Path("/proc")
_DEAD = ("Z", "X")  # the states of a process that only waits to be reaped
_KILL_ROUNDS = 20  # a process may fork while we look; killing is that much faster
_KILL_PATIENCE_MS = 250  # for one of the killed to go


class Stat(NamedTuple):
    """The fields of ``/proc/PID/stat`` that are used here, see proc(5)."""

    state: str
    parent: int
    session: int
    minor_faults: int
    major_faults: int
    user_ticks: int
    system_ticks: int
    start_ticks: int


class Usage(NamedTuple):
    """What some processes use together; times in microseconds, sizes in bytes."""

    user_usec: int = 0
    system_usec: int = 0
    anon: int = 0
    file: int = 0
    shmem: int = 0
    swap: int = 0
    faults: int = 0
    major_faults: int = 0


def session_members(session: int) -> list[int]:
    """The pids of the live processes of a session, in order."""
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return sorted(pid for pid in pids if _is_member(pid, session))


def signal_session(session: int, number: int) -> None:
    """Send a signal to every live process of a session; its id must not be free for reuse."""
    for pidfd in _open_members(session):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(pidfd, number)
        os.close(pidfd)


def end_session(session: int, *, since: int = 0) -> None:
    """Kill the live processes of a session until none is left.

    ``since`` spares those that began before then, in clock ticks since the host booted.
    """
    for _ in range(_KILL_ROUNDS):
        pidfds = list(_open_members(session, since))
        if not pidfds:
            return
        for pidfd in pidfds:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # setuid programs
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pidfd in pidfds:
            _await_death(pidfd)
            os.close(pidfd)


def start_time(pid: int) -> int | None:
    """When a process began, in clock ticks since the host booted; None where there is none."""
    stat = _stat_or_none(pid)
    return None if stat is None else stat.start_ticks


def is_dead(pid: int) -> bool:
    """Whether a process has ended, and only waits to be reaped."""
    stat = _stat_or_none(pid)
    return stat is not None and stat.state in _DEAD


def children(parent: int) -> list[int]:
    """The pids of the processes that a process is the parent of, dead ones too."""
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    return [pid for pid in pids if (stat := _stat_or_none(pid)) and stat.parent == parent]


def usage(pids: Iterable[int]) -> Usage:
    """The sums over these processes; one that has gone meanwhile counts nothing."""
    total = Usage()
    for pid in pids:
        with contextlib.suppress(OSError):
            total = Usage(*map(sum, zip(total, _usage(pid), strict=True)))
    return total


def _await_death(pidfd: int) -> None:
    poll = select.poll()  # select() takes no descriptor above 1023
    poll.register(pidfd, select.POLLIN)
    poll.poll(_KILL_PATIENCE_MS)


def _open_members(session: int, since: int = 0) -> Iterator[int]:
    """A pidfd for each, so that a signal can never reach a later process of the same number."""
    for pid in session_members(session):
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if _is_member(pid, session, since):
            yield pidfd
        else:
            os.close(pidfd)


def _is_member(pid: int, session: int, since: int = 0) -> bool:
    stat = _stat_or_none(pid)
    if stat is None or stat.start_ticks < since:
        return False
    return stat.session == session and stat.state not in _DEAD


def _stat_or_none(pid: int) -> Stat | None:
    try:
        return _stat(pid)
    except OSError:
        return None


def _stat(pid: int) -> Stat:
    text = (_PROC / str(pid) / "stat").read_bytes()
    # The second field is the name in parentheses, and may itself hold blanks and parentheses.
    fields = text[text.rindex(b")") + 2 :].split()
    return Stat(
        fields[0].decode(),
        int(fields[1]),
        int(fields[3]),
        int(fields[7]),
        int(fields[9]),
        int(fields[11]),
        int(fields[12]),
        int(fields[19]),
    )


def _usage(pid: int) -> Usage:
    stat = _stat(pid)
    memory = _memory(pid)
    tick_usec = 1_000_000 // os.sysconf("SC_CLK_TCK")
    return Usage(
        user_usec=stat.user_ticks * tick_usec,
        system_usec=stat.system_ticks * tick_usec,
        anon=memory.get("RssAnon", 0),
        file=memory.get("RssFile", 0),
        shmem=memory.get("RssShmem", 0),
        swap=memory.get("VmSwap", 0),
        faults=stat.minor_faults + stat.major_faults,
        major_faults=stat.major_faults,
    )


def _memory(pid: int) -> dict[str, int]:
    sizes = {}
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            sizes[name] = int(value.split()[0]) * 1024
    return sizes
