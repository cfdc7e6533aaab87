"""Sockets of every kind of address: what connecting, listening and credentials need.

Nothing here waits for a peer, but for the moment that it takes to see whether a socket file is
still listened on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import struct
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from toolkit.errors import AddressError, ConnectFailed, joined
from toolkit.rpc.address import Address, parse
from toolkit.rpc.context import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "OUT_OF_FILES",
    "AddressLike",
    "Bound",
    "adopt_socket",
    "connect_failed",
    "hung_up",
    "hvsock_answer",
    "hvsock_request",
    "listen_socket",
    "peer_of",
    "socket_targets",
]

# An address as text, an open socket, or the number of an open file descriptor.
AddressLike: TypeAlias = "str | socket.socket | int"

HVSOCK_LINE = 256  # bytes; cloud-hypervisor and firecracker answer "OK <port>\n"
OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # what accept says
_BACKLOG = 128
_LOOKED_AT = 500  # entries of a folder that an error looks through for what was meant
_SHOWN = 3  # sockets of a folder that may be meant without being like the name
_STARTING = 0.02  # seconds that a server may take from bind to listen

# What the kernel said, in words, and what to try.
_REASONS = {
    errno.ENOENT: ("there is no such file", ""),
    errno.ECONNREFUSED: ("nobody listens there", "its server is gone, or is not up yet"),
    errno.EACCES: ("permission denied", "the sockets of shims belong to root"),
    errno.ENOTDIR: ("a part of the path is no folder", ""),
    errno.EPROTOTYPE: ("it is a datagram socket", "TTRPC needs a stream socket"),
}


class Bound(NamedTuple):
    """A listening socket, the address for clients, and the socket file if it made one."""

    sock: socket.socket
    address: str
    path: str = ""
    file: tuple[int, int] = (0, 0)  # device and inode: another server may replace the file
    pid: int = 0  # of the process that made it; a child must leave it alone

    def unlink(self) -> None:
        """Remove the socket file, if it is still the one that was made."""
        if not self.path or os.getpid() != self.pid:
            return
        with contextlib.suppress(OSError):
            if _identity(self.path) == self.file:
                os.unlink(self.path)  # noqa: PTH108  # pathlib is not imported elsewhere here


def listen_socket(address: AddressLike, *, mode: int = 0o600) -> Bound:
    """A listening socket.

    A socket file that nobody listens on is replaced; ``mode`` is what a new one gets.

    Raises:
        AddressError: the text is no address, or none that a server can listen on.
        OSError: the address is taken, or this user may not.
    """
    if isinstance(address, int):
        address = adopt_socket(address)
    if isinstance(address, socket.socket):
        return Bound(address, _bound_address(address))
    parsed = parse(address)
    if parsed.scheme == "hvsock":
        raise AddressError(address, "a hypervisor listens on hvsock; inside the guest use vsock")
    family, target = next(socket_targets(parsed, passive=True))
    path = parsed.path if family == socket.AF_UNIX and not parsed.is_abstract else ""
    if path:
        _remove_stale(path)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if path:
            _bind_file(sock, path, mode)
        else:
            sock.bind(target)  # type: ignore[arg-type]  # each family has a form of its own
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    name = _bound_address(sock) if parsed.scheme == "tcp" else str(parsed)
    return Bound(sock, name, path, _identity(path) if path else (0, 0), os.getpid())


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


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
            raise FileExistsError(errno.EEXIST, "there is a file in place of the socket", path)
    except FileNotFoundError:
        return
    if _is_live(path):
        raise OSError(errno.EADDRINUSE, "another server listens on the socket", path)
    # A server that starts has a moment between bind and listen, when it refuses too.
    time.sleep(_STARTING)
    if _is_live(path):
        raise OSError(errno.EADDRINUSE, "another server listens on the socket", path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def _is_live(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            pass  # a full backlog has a server behind it, and so has one that we may not ask
    return True


def _bind_file(sock: socket.socket, path: str, mode: int) -> None:
    # Between bind and chmod others could connect. On Linux the file gets the mode of the socket,
    # less the umask; elsewhere only the umask helps, which is the whole process's.
    if sys.platform == "linux":
        os.fchmod(sock.fileno(), mode)
        sock.bind(path)
    else:
        umask = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(umask)
    os.chmod(path, mode)  # noqa: PTH101


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path, follow_symlinks=False)  # noqa: PTH116
    return found.st_dev, found.st_ino


def _bound_address(sock: socket.socket) -> str:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        if isinstance(name, bytes):
            return "unix://@" + os.fsdecode(name[1:])
        return f"unix://{name}" if name else f"fd://{sock.fileno()}"
    host, port = name[0], name[1]
    scheme = "tcp" if sock.family in (socket.AF_INET, socket.AF_INET6) else "vsock"
    return str(Address(scheme, host=str(host), port=port))
