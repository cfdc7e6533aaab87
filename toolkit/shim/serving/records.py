"""Which processes a container has, noted in its bundle, so that a later one can end them.

A shim that is killed takes along what it knew; ``delete`` then finds the processes here. A pid
alone may be somebody else's by then, so the time at which the process began is noted too.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.shim.hosting import procfs

if TYPE_CHECKING:
    import os

__all__ = ["Ended", "Recorded", "Records", "end_recorded", "read_records"]

FILE = "processes.json"  # in the bundle
KILLED = 128 + 9  # the exit status of a process that SIGKILL ended


class Recorded(NamedTuple):
    """A process in a session of its own.

    Attributes:
        pid: its number, and that of its session.
        started: in clock ticks since the host booted.
        exec_id: empty for the container's first process.
        status: its exit status; None while it is not known to have ended.
        at: when it ended, in nanoseconds since 1970.
    """

    pid: int
    started: int
    exec_id: str = ""
    status: int | None = None
    at: int = 0


class Ended(NamedTuple):
    """How a container's first process ended: what ``delete`` answers.

    Attributes:
        pid: 0 where there was none.
        status: 128 + signal when a signal killed it.
        at: nanoseconds since 1970.
    """

    pid: int
    status: int
    at: int


class Records:
    """Notes in one bundle, from any thread."""

    def __init__(self, bundle: str | os.PathLike[str]) -> None:
        self._path = Path(bundle) / FILE
        self._lock = threading.Lock()  # guards the table and the file; held for one small write
        self._table: dict[str, Recorded] = {}

    def add(self, pid: int, exec_id: str = "") -> None:
        """Note a process that was just made, the leader of its session; before it runs anything.

        Raises:
            OSError: the bundle cannot be written to.
        """
        started = procfs.start_time(pid)
        if started is None:
            return  # it has ended already
        with self._lock:
            self._table[exec_id] = Recorded(pid, started, exec_id)
            self._write()

    def end(self, exec_id: str, status: int, at: int) -> None:
        """Note how a process ended; nothing where the bundle has gone meanwhile."""
        with self._lock:
            found = self._table.get(exec_id)
            if found is None:
                return
            self._table[exec_id] = found._replace(status=status, at=at)
            with contextlib.suppress(OSError):
                self._write()

    def forget(self, exec_id: str) -> None:
        """Drop the note of a process that was deleted; with the first one, all."""
        with self._lock, contextlib.suppress(OSError):
            if not exec_id:
                self._table.clear()
            if self._table.pop(exec_id, None) is not None or not exec_id:
                self._write()

    def _write(self) -> None:
        if not self._table:
            self._path.unlink(missing_ok=True)
            return
        text = json.dumps([entry._asdict() for entry in self._table.values()])
        part = self._path.with_name(f".{FILE}")
        part.write_text(text)
        part.replace(self._path)


def read_records(bundle: str | os.PathLike[str]) -> list[Recorded]:
    """The notes in a bundle; none where there is no such file, or none that makes sense."""
    try:
        values = json.loads((Path(bundle) / FILE).read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(values, list):
        return []
    return [found for value in values if (found := _recorded(value)) is not None]


def end_recorded(bundle: str | os.PathLike[str]) -> Ended | None:
    """Kill what is left of a bundle's processes; how the first of them ended, None without one."""
    first = None
    for entry in read_records(bundle):
        if entry.status is None:
            _kill(entry)
        if not entry.exec_id:
            first = entry
    if first is None:
        return None
    if first.status is None:
        return Ended(first.pid, KILLED, time.time_ns())
    return Ended(first.pid, first.status, first.at)


def _kill(entry: Recorded) -> None:
    leader = procfs.start_time(entry.pid)
    if leader is not None and leader != entry.started:
        return  # the number is another process's now, so nobody is left in that session
    # Where the leader has gone, the number is not free as long as somebody is in its session.
    procfs.end_session(entry.pid, since=entry.started)


def _recorded(value: Any) -> Recorded | None:
    try:
        found = Recorded(**value)
    except TypeError:
        return None
    numbers = (found.pid, found.started, found.at, found.status or 0)
    sound = all(isinstance(number, int) for number in numbers) and found.pid > 1
    return found if sound and isinstance(found.exec_id, str) else None
