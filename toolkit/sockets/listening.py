"""Listening sockets: socket files that come and go with their server, and those of other kinds.

Nothing here waits, but for the moment that it takes to see whether a socket file is still listened
on.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import AddressError
from toolkit.rpc.address import Address, parse
from toolkit.sockets import adopt_socket, socket_targets

if TYPE_CHECKING:
    from toolkit.sockets import AddressLike

__all__ = ["OUT_OF_FILES", "Bound", "is_live", "listen_socket"]

OUT_OF_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)  # what accept says
_BACKLOG = 128
_STARTING = 0.02  # seconds that a server may take from bind to listen


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


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116
            raise FileExistsError(errno.EEXIST, "there is a file in place of the socket", path)
    except FileNotFoundError:
        return
    if is_live(path):
        raise OSError(errno.EADDRINUSE, "another server listens on the socket", path)
    # A server that starts has a moment between bind and listen, when it refuses too.
    time.sleep(_STARTING)
    if is_live(path):
        raise OSError(errno.EADDRINUSE, "another server listens on the socket", path)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def is_live(path: str) -> bool:
    """Whether somebody listens on a socket file, as far as this user may know; never waits.

    One whose backlog is full is live, and so is one that this user may not connect to.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # noqa: FBT003  # takes it no other way
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError, NotADirectoryError):
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
