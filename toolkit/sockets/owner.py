"""Which processes hold the listening end of a unix socket now, as Linux's ``/proc`` tells.

What the kernel says of a connection's peer (SO_PEERCRED) is who called ``listen``. A runc shim
inherits its socket from the ``start`` process, which is gone by the time that anybody connects; its
number may even belong to another process.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import NoSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.rpc.address import Address

__all__ = ["Owner", "owners"]

_LISTENS = 1 << 16  # linux/net.h: __SO_ACCEPTCON, in the column Flags
_INIT = 1


class Owner(NamedTuple):
    """A process that holds the listening end of a socket.

    Attributes:
        pid: its number.
        executable: the path of what it runs, as the kernel has it; empty where it may not be seen.
    """

    pid: int
    executable: str


def owners(address: Address, listener: int | None = None) -> list[Owner]:
    """The live processes that hold the listening end of a unix socket, the likeliest server first.

    Args:
        address: of the socket.
        listener: the process that the kernel names as the peer of a connection, if known.

    Raises:
        NoSchema: it is no unix socket, nobody on this host listens there, or this user may not
            look into who does.
    """
    if address.scheme != "unix":
        raise NoSchema(f"{address} is no unix socket: its server may be on another machine")
    inodes = _listening(address, listener)
    if not inodes:
        raise NoSchema(f"/proc/net/unix knows of nobody who listens at {address}")
    found, hidden = _holders(inodes, listener)
    if not found:
        why = f"; {hidden} processes may not be looked into: root may" if hidden else ""
        raise NoSchema(f"no process is seen to hold the socket at {address}{why}")
    # Under socket activation init holds the socket too, for the time after its server.
    found.sort(key=lambda pid: (pid != listener, pid == _INIT))
    return [Owner(pid, _executable(pid)) for pid in found]


def _listening(address: Address, listener: int | None) -> set[int]:
    """The inodes of the sockets that listen at the address."""
    tables = ["/proc/net/unix"]
    if listener is not None:  # it may live in another network namespace, with a table of its own
        tables.append(f"/proc/{listener}/net/unix")
    for table in tables:
        with contextlib.suppress(OSError):
            found = set(_in_table(table, address))
            if found:
                return found
    return set()


def _in_table(table: str, address: Address) -> Iterator[int]:
    wanted = address.path
    real = wanted if address.is_abstract else os.path.realpath(wanted)
    last = wanted.rpartition("/")[2]
    with open(table, encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123
        for line in lines:
            if not line.endswith(f"{last}\n"):
                continue
            # Num RefCount Protocol Flags Type St Inode Path; the path may have blanks.
            fields = line.rstrip("\n").split(maxsplit=7)
            if len(fields) < 8 or not int(fields[3], 16) & _LISTENS:
                continue
            path = fields[7]
            if path == wanted or (path[:1] == "/" and os.path.realpath(path) == real):
                yield int(fields[6])


def _holders(inodes: set[int], listener: int | None) -> tuple[list[int], int]:
    """The processes that have one of the sockets open, and how many could not be looked into."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if listener is not None and _holds(listener, wanted):
        return [listener], 0  # most servers: nobody else needs to be looked at
    found, hidden = [], 0
    for name in os.listdir("/proc"):  # noqa: PTH208  # thousands of them, as text
        if name.isdecimal():
            holds = _holds(int(name), wanted)
            if holds is None:
                hidden += 1
            elif holds:
                found.append(int(name))
    return found, hidden


def _holds(pid: int, wanted: set[str]) -> bool | None:
    """Whether a process has one of the sockets open; None where it may not be looked into."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return any(_link(entry.path) in wanted for entry in entries)
    except PermissionError:
        return None
    except OSError:  # it has ended
        return False


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # thousands of them, as text
    except OSError:  # closed meanwhile
        return ""


def _executable(pid: int) -> str:
    return _link(f"/proc/{pid}/exe").removesuffix(" (deleted)")
