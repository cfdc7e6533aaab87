"""Which processes hold the listening end of a unix socket now, as Linux tells.

What the kernel says of a connection's peer (SO_PEERCRED) is who called ``listen``. A runc shim
inherits its socket from the ``start`` process, which is gone by the time that anybody connects; its
number may even belong to another process.

Sockets are told apart by the file that they are bound to, not by its path: an old server whose file
was replaced still listens, and any user may bind a name that looks like another one's.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import NoSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.rpc.address import Address

__all__ = ["Listening", "Owner", "listening", "owners", "socket_file"]

_INIT = 1

# linux/sock_diag.h, linux/unix_diag.h, linux/netlink.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_DONE, _ERROR = 3, 2
_LISTENING = 1 << 10  # TCP_LISTEN
_SHOW_NAME_AND_FILE = 1 | 2
_NAME, _FILE = 0, 1  # the attributes of a reply
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIIII")
_REPLY = struct.Struct("=BBBBIII")
_ATTRIBUTE = struct.Struct("=HH")
_FILE_ID = struct.Struct("=II")
_MINOR_BITS = 20  # of the kernel's own device numbers


class Owner(NamedTuple):
    """A process that holds the listening end of a socket.

    Attributes:
        pid: its number.
        executable: the path of what it runs, as the kernel has it; empty where it may not be seen.
    """

    pid: int
    executable: str


class Listening(NamedTuple):
    """A unix socket that listens.

    Attributes:
        inode: of the socket, as ``/proc/PID/fd`` has it.
        name: that it was bound to: a path, or an abstract name after its NUL.
        file: what tells its socket file from all others; None for an abstract name.
    """

    inode: int
    name: bytes
    file: tuple[int, int] | None


def owners(address: Address, listener: int | None = None) -> Iterator[Owner]:
    """The live processes that hold the listening end of a unix socket, the likeliest server first.

    They are looked for as they are asked for: mostly the first one is enough.

    Args:
        address: of the socket.
        listener: the process that the kernel names as the peer of a connection, if known.

    Raises:
        NoSchema: it is no unix socket, nobody on this host listens there, or this user may not
            look into who does.
    """
    if address.scheme != "unix":
        raise NoSchema(f"{address} is no unix socket: its server may be on another machine")
    inodes = _inodes(address)
    if not inodes:
        raise NoSchema(f"nobody in this network namespace listens at {address}")
    wanted = {f"socket:[{inode}]" for inode in inodes}
    # Under socket activation init is the listener, and holds the socket beside its server.
    first = listener if listener != _INIT else None
    if first is not None and _holds(first, wanted):
        yield Owner(first, _executable(first))
    else:
        first = None
    found, hidden = first is not None, 0
    for pid in sorted(_pids(), key=lambda pid: pid == _INIT):
        holds = _holds(pid, wanted) if pid != first else False
        if holds:
            found = True
            yield Owner(pid, _executable(pid))
        hidden += holds is None
    if not found:
        why = f"; {hidden} processes may not be looked into: that takes root" if hidden else ""
        raise NoSchema(f"no process is seen to hold the socket at {address}{why}")


def listening() -> list[Listening]:
    """Every unix socket of this network namespace that listens; the kernel's answer.

    Raises:
        OSError: the kernel does not tell.
    """
    return list(_listening())


def socket_file(path: str | bytes) -> tuple[int, int]:
    """What tells a socket file from all others, as ``Listening.file`` has it.

    Raises:
        OSError: there is none, or it may not be seen.
    """
    status = os.stat(path)  # noqa: PTH116
    # The kernel tells 32 bits of the inode, and its own form of the device.
    device = os.major(status.st_dev) << _MINOR_BITS | os.minor(status.st_dev)
    return status.st_ino & 0xFFFFFFFF, device


def _inodes(address: Address) -> set[int]:
    """The sockets that listen at an address; the kernel's answer, which nobody can forge."""
    path = os.fsencode(address.path)
    try:
        known = list(_listening())
    except OSError as exc:
        raise NoSchema(
            f"the kernel does not tell who listens at {address}: {exc.strerror}"
        ) from exc
    if address.is_abstract:
        return {one.inode for one in known if one.name == b"\0" + path[1:]}
    try:
        file = socket_file(path)
    except FileNotFoundError:
        return set()
    except OSError as exc:
        raise NoSchema(f"cannot look at {address}: {exc.strerror}") from exc
    return {one.inode for one in known if one.file == file}


def _listening() -> Iterator[Listening]:
    """Every unix socket of this network namespace that listens."""
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_NAME_AND_FILE, 0, 0)
    size = _HEADER.size + len(request)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as sock:
        sock.settimeout(2)
        sock.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _DUMP, 1, 0) + request)
        while True:
            data = sock.recv(1 << 18)
            position = 0
            while position + _HEADER.size <= len(data):
                length, kind, *_ = _HEADER.unpack_from(data, position)
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    raise OSError(0, "its answer is an error")
                yield _parsed(data[position + _HEADER.size : position + length])
                position += _aligned(length)


def _parsed(data: bytes) -> Listening:
    inode = _REPLY.unpack_from(data)[4]
    name, file = b"", None
    position = _REPLY.size
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        value = data[position + _ATTRIBUTE.size : position + length]
        if kind == _NAME:
            name = value
        elif kind == _FILE:
            file = _FILE_ID.unpack_from(value)
        position += _aligned(max(length, _ATTRIBUTE.size))
    return Listening(inode, name, file)


def _aligned(length: int) -> int:
    return length + 3 & ~3


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


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
