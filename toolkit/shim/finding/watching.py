"""Shims as they appear and go.

The standard library has no inotify: the folders of bundles and the list of processes are looked at
now and then, and only where they changed are shims searched for. That a shim's process ended is
seen at once, by a descriptor of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from toolkit.shim.finding.bundles import stamps
from toolkit.shim.finding.discovery import discover, given_states, look_around

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterable

    from toolkit.shim.finding.found import Found

__all__ = ["Change", "watch", "watch_blocking"]

INTERVAL = 1.0  # seconds between two looks

_Key: TypeAlias = "tuple[str, str, int]"


class Change(NamedTuple):
    """Something that happened to a shim.

    Attributes:
        kind: ``appeared`` or ``gone``.
        shim: as it was last seen.
    """

    kind: Literal["appeared", "gone"]
    shim: Found


async def watch(
    interval: float = INTERVAL,
    *,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    namespace: str | None = None,
) -> AsyncGenerator[Change, None]:
    """The shims that live, and from then on those that appear and go, until it is left.

    ::

        async for change in shim.watch():
            print(change.kind, change.shim.name)

    The end of a shim's process is seen at once, everything else within the interval. Nothing is
    sent to any shim.

    Args:
        interval: seconds between two looks.
        state: as for ``discover``.
        namespace: only the shims of this one.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    with contextlib.closing(_Watcher(state, namespace)) as watcher:
        watched: set[int] = set()
        try:
            while True:
                for change in await asyncio.to_thread(watcher.look):
                    yield change
                watched = _rewatch(loop, watched, watcher, ended)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), interval)
                ended.clear()
        finally:
            for descriptor in watched:
                loop.remove_reader(descriptor)


def _rewatch(
    loop: asyncio.AbstractEventLoop, watched: set[int], watcher: _Watcher, ended: asyncio.Event
) -> set[int]:
    """Have the loop look at the processes that live now; those that ended are closed later."""
    current = set(watcher.descriptors)
    for descriptor in watched - current:
        loop.remove_reader(descriptor)
    for descriptor in current - watched:
        loop.add_reader(descriptor, ended.set)
    watcher.release()
    return current


def watch_blocking(
    interval: float = INTERVAL,
    *,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    namespace: str | None = None,
) -> Generator[Change, None, None]:
    """The same for blocking callers."""
    with contextlib.closing(_Watcher(state, namespace)) as watcher:
        while True:
            yield from watcher.look()
            watcher.release()
            poll = select.poll()  # select() takes no descriptor above 1023
            for descriptor in watcher.descriptors:
                poll.register(descriptor, select.POLLIN)
            poll.poll(interval * 1000)


class _Watcher:
    """What was seen last, and a descriptor of every process in it; never waits."""

    def __init__(
        self,
        state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None,
        namespace: str | None,
    ) -> None:
        self._states = given_states(state)
        self._namespace = namespace
        self._seen: dict[_Key, Found] = {}
        self._descriptors: dict[int, int] = {}  # by pid
        self._released: list[int] = []
        self._stamps: object = None
        self._closed = False
        # Guards all of it: a look may still go on in its thread when the watch is left.
        self._lock = threading.Lock()

    @property
    def descriptors(self) -> list[int]:
        """Of the processes that are watched; readable when one ends."""
        return list(self._descriptors.values())

    def look(self) -> list[Change]:
        """What has changed since the last look."""
        with self._lock:
            return [] if self._closed else self._look()

    def _look(self) -> list[Change]:
        if not self._may_have_changed():
            return []
        now = {
            (one.namespace, one.id, one.pid): one
            for one in discover(state=self._states, namespace=self._namespace)
            if one.pid is not None
        }
        gone = [Change("gone", one) for key, one in self._seen.items() if key not in now]
        new = [Change("appeared", one) for key, one in now.items() if key not in self._seen]
        self._seen = now
        self._follow({pid for _, _, pid in now})
        return [*gone, *new]

    def release(self) -> None:
        """Close the descriptors of processes that are gone; nobody looks at them any more."""
        for descriptor in self._released:
            os.close(descriptor)
        self._released.clear()

    def close(self) -> None:
        """Close all descriptors."""
        with self._lock:
            self._closed = True
            self._released += self._descriptors.values()
            self._descriptors.clear()
            self.release()

    def _may_have_changed(self) -> bool:
        known, folders = look_around(self._states)
        before = self._stamps
        self._stamps = (stamps(folders), [shim.pid for shim in known.shims])
        return self._stamps != before or self._one_ended()

    def _one_ended(self) -> bool:
        poll = select.poll()
        for descriptor in self._descriptors.values():
            poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def _follow(self, alive: set[int]) -> None:
        for pid in self._descriptors.keys() - alive:
            self._released.append(self._descriptors.pop(pid))
        for pid in alive - self._descriptors.keys():
            # Gone already, or no descriptor is left: the next look sees its end.
            with contextlib.suppress(OSError):
                self._descriptors[pid] = os.pidfd_open(pid)
