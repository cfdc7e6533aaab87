"""Sockets of every kind of address: what connecting to one takes, and who is at its other end.

Nothing here waits for a peer.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import struct
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import ConnectFailed, joined
from toolkit.rpc.context import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.rpc.address import Address

__all__ = [
    "AddressLike",
    "adopt_socket",
    "connect_failed",
    "hung_up",
    "hvsock_answer",
    "hvsock_request",
    "peer_of",
    "socket_targets",
]

# An address as text, an open socket, or the number of an open file descriptor.
AddressLike: TypeAlias = "str | socket.socket | int"

HVSOCK_LINE = 256  # bytes; cloud-hypervisor and firecracker answer "OK <port>\n"
_LOOKED_AT = 500  # entries of a folder that an error looks through for what was meant
_SHOWN = 3  # sockets of a folder that may be meant without being like the name

# What the kernel said, in words, and what to try.
_REASONS = {
    errno.ENOENT: ("there is no such file", ""),
    errno.ECONNREFUSED: ("nobody listens there", "its server is gone, or is not up yet"),
    errno.EACCES: ("permission denied", "the sockets of shims belong to root"),
    errno.ENOTDIR: ("a part of the path is no folder", ""),
    errno.EPROTOTYPE: ("it is a datagram socket", "TTRPC needs a stream socket"),
}


def peer_of(sock: socket.socket, address: str) -> Peer:
    """Who is at the other end of a connected socket."""
    if sock.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return Peer(address)
    size = struct.calcsize("3i")
    try:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    except OSError:
        return Peer(address)
    pid, uid, gid = struct.unpack("3i", credentials)
    if uid == -1:  # of a socket that nobody connected
        return Peer(address)
    return Peer(address, pid or None, uid, gid)  # 0 is a process outside of our pid namespace


def hung_up(sock: socket.socket) -> bool:
    """Whether the peer has closed both directions, as far as the kernel can tell."""
    poll = select.poll()
    try:
        poll.register(sock, 0)
    except ValueError:  # it is closed here
        return True
    return bool(poll.poll(0))


def adopt_socket(fd: int) -> socket.socket:
    """An open file descriptor as a socket; it is closed with the socket."""
    try:
        return socket.socket(fileno=fd)
    except OSError as exc:
        raise ConnectFailed(f"fd://{fd}", f"file descriptor {fd} is no socket: {exc}") from exc


def socket_targets(address: Address, *, passive: bool = False) -> Iterator[tuple[int, object]]:
    """Socket families and what to give to ``connect`` or ``bind``."""
    if address.scheme in ("unix", "hvsock"):
        path = address.path
        yield socket.AF_UNIX, "\0" + path[1:] if address.is_abstract else path
    elif address.scheme == "vsock":
        if not hasattr(socket, "AF_VSOCK"):
            raise ConnectFailed(str(address), "this system has no vsock")
        yield socket.AF_VSOCK, (int(address.host), address.port)
    else:
        flags = socket.AI_PASSIVE if passive else 0
        try:
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=flags
            )
        except socket.gaierror as exc:
            raise ConnectFailed(str(address), f"{address.host!r}: {exc.strerror}") from exc
        for family, _, _, _, target in found:
            yield family, target


def connect_failed(address: Address, error: OSError, timeout: float | None) -> ConnectFailed:
    """What to raise for what the kernel said: which of the many reasons, and what to try."""
    if isinstance(error, TimeoutError) and timeout is not None:
        return ConnectFailed(str(address), f"no answer within {timeout:g} s")
    code = error.errno
    if address.scheme == "unix" and not address.is_abstract and code == errno.ECONNREFUSED:
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.stat(address.path).st_mode):  # noqa: PTH116
                return ConnectFailed(str(address), "it is a file, not a socket")
    reason, hint = error.strerror or str(error), ""
    if code in _REASONS and reason == os.strerror(code):
        reason, hint = _REASONS[code]
    if code == errno.ENOENT and address.scheme == "unix" and not address.is_abstract:
        hint = _beside(address.path)
    return ConnectFailed(str(address), reason, hint=hint)


def _beside(path: str) -> str:
    """What to try instead of a path that is not there: the sockets of its folder."""
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    folder, _, name = path.rpartition("/")
    try:
        with os.scandir(folder or "/") as entries:
            sockets = [one.name for one in islice(entries, _LOOKED_AT) if _is_socket(one)]
    except FileNotFoundError:
        return f"nor is there a folder {folder}"
    except OSError:
        return ""
    found = nearest(name, sockets) or (sockets if len(sockets) <= _SHOWN else [])
    return f"did you mean {joined(sorted(found))}?" if found else ""


def _is_socket(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False


def hvsock_request(port: int) -> bytes:
    """What to write to firecracker's, or another hypervisor's, unix socket for a guest's port."""
    return b"CONNECT %d\n" % port


def hvsock_answer(line: bytes, port: int) -> bool:
    """Whether the hypervisor's answer is whole.

    Raises:
        ConnectionRefusedError: it is a refusal, or no line at all.
    """
    if line.endswith(b"\n"):
        if b"OK" in line:
            return True
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"the hypervisor answered {line!r} to CONNECT {port}"
        )
    if len(line) >= HVSOCK_LINE:
        raise ConnectionRefusedError(
            errno.ECONNREFUSED, f"the hypervisor answered CONNECT {port} with no line"
        )
    return False
