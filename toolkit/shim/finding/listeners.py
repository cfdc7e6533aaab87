"""Which sockets listen on this host, and which processes hold them; for many shims at one look."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from toolkit.shim.finding.running import held_sockets, namespaces_of, pids
from toolkit.sockets.owner import listening, socket_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.shim.finding.running import ShimProcess

__all__ = ["Listeners"]

_ACCEPTS = "00010000"  # __SO_ACCEPTCON, in the flags of /proc/net/unix
_INIT = 1


class _Socket(NamedTuple):
    name: str  # a path, or an abstract name after a @
    file: tuple[int, int] | None  # None for abstract names, and in other network namespaces
    root: str  # of the processes that see the path


class Listeners:
    """The unix sockets that listen, as they were when this was made.

    Sockets are told apart by the file that they are bound to, not by its path, where the kernel
    tells: that is in our own network namespace.
    """

    def __init__(self, shims: Iterable[ShimProcess]) -> None:
        self._sockets: dict[int, _Socket] = {}
        self._at: dict[object, list[int]] = {}  # by file, or by root and name
        self._holders: dict[int, list[int]] = {}
        self._held: dict[int, list[int]] = {}
        self._unseen: set[int] = set()  # processes that may not be looked into
        self._looked_at_all = False
        try:
            known = listening()
        except OSError:  # a kernel without this part, or no right to ask
            known = []
        for one in known:
            self._add(one.inode, _Socket(_name(one.name), one.file, ""))
        self._add_other_namespaces(shims)
        for shim in shims:
            self._look_into(shim.pid)

    def held_by(self, shim: ShimProcess) -> list[str] | None:
        """The addresses at which a process listens, the first one opened in front.

        None where it may not be looked into.
        """
        if shim.pid in self._unseen:
            return None
        found = [self._sockets[inode] for inode in self._held.get(shim.pid, ())]
        return [f"unix://{_under(shim.root, one.name)}" for one in found if one.name]

    def listens(self, path: str, root: str = "") -> bool:
        """Whether somebody listens at a path, or at an abstract name after a ``@``."""
        return bool(self._inodes(path, root))

    def is_taken(self, name: str) -> bool:
        """Whether some socket was bound to this name; known even where its file is not seen."""
        return any(one.name == name for one in self._sockets.values())

    def holders(self, path: str, root: str = "") -> list[int]:
        """The processes that hold the socket at a path or abstract name, shims in front.

        Where no shim does, all of ``/proc`` is looked through, once.
        """
        inodes = self._inodes(path, root)
        if inodes and not any(self._holders.get(inode) for inode in inodes):
            self._look_at_all()
        return [pid for inode in inodes for pid in self._holders.get(inode, ())]

    def _inodes(self, path: str, root: str) -> list[int]:
        if path.startswith("@"):
            return self._at.get((root, path), [])
        try:
            file = socket_file(path)
        except OSError:
            return []
        return self._at.get(file) or self._at.get((root, path.removeprefix(root)), [])

    def _add(self, inode: int, one: _Socket) -> None:
        self._sockets[inode] = one
        key = one.file if one.file is not None else (one.root, one.name)
        self._at.setdefault(key, []).append(inode)

    def _add_other_namespaces(self, shims: Iterable[ShimProcess]) -> None:
        ours = namespaces_of("self")
        seen = {ours.network} if ours is not None else set()
        for shim in shims:
            theirs = namespaces_of(shim.pid)
            if theirs is not None and theirs.network not in seen:
                seen.add(theirs.network)
                for inode, one in _table(shim.pid, shim.root):
                    self._add(inode, one)

    def _look_into(self, pid: int) -> None:
        if pid in self._held:
            return
        held = held_sockets(pid)
        if held is None:
            self._unseen.add(pid)
        self._held[pid] = [inode for inode in held or () if inode in self._sockets]
        for inode in self._held[pid]:
            self._holders.setdefault(inode, []).append(pid)

    def _look_at_all(self) -> None:
        if self._looked_at_all:
            return
        self._looked_at_all = True
        # Under socket activation init holds the socket beside its server.
        for pid in sorted(pids(), key=lambda pid: pid == _INIT):
            self._look_into(pid)


def _name(bound: bytes) -> str:
    if bound.startswith(b"\0"):
        return f"@{os.fsdecode(bound[1:])}"
    return os.fsdecode(bound.rstrip(b"\0"))


def _under(root: str, name: str) -> str:
    return name if name.startswith("@") else f"{root}{name}"


def _table(pid: int, root: str) -> Iterator[tuple[int, _Socket]]:
    """What listens in the network namespace of a process."""
    try:
        with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            lines = file.read().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        # Num RefCount Protocol Flags Type St Inode Path
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[3] == _ACCEPTS:
            yield int(fields[6]), _Socket(fields[7], None, root)
