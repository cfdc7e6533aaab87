"""The socket that a shim listens on: made by ``start``, for one server or for a group."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import ToolkitError
from toolkit.sockets.listening import Bound, listen_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Claim", "claim", "inherited"]

FOLDER_MODE = 0o700  # as containerd's shims make it
INHERITED = 3  # the descriptor of a server that another program listens for, as containerd's do
LOCK_TIMEOUT = 10.0  # seconds; each holder has it for milliseconds


class SocketBusy(ToolkitError):
    """Another ``start`` holds the folder of the sockets for too long."""


class Claim(NamedTuple):
    """The socket of a shim.

    Attributes:
        address: ``unix://…``
        bound: the listening socket; None where a shim listens there already.
    """

    address: str
    bound: Bound | None


def claim(address: str) -> Claim:
    """Listen at an address, unless somebody does; a socket file that nobody serves is replaced.

    Raises:
        SocketBusy: another process is at it and does not finish.
        OSError: this user may not, or there is another file in its place.
    """
    folder = Path(address.removeprefix("unix://")).parent
    _make(folder)
    with _locked(folder):
        try:
            return Claim(address, listen_socket(address, mode=0o600))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
    return Claim(address, None)


def inherited(path: str) -> Bound:
    """The socket of a server that no ``start`` of ours has forked: ``-socket``, else fd 3.

    Raises:
        OSError: there is no listening socket.
    """
    if path:
        return listen_socket(f"unix://{path}", mode=0o600)
    try:
        sock = socket.socket(fileno=INHERITED)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as exc:
        text = f"file descriptor {INHERITED} is no socket; `start` runs a shim, or -socket PATH"
        raise OSError(exc.errno, text) from exc
    if not listens:
        sock.detach()
        raise OSError(errno.EINVAL, f"nothing listens on file descriptor {INHERITED}")
    return listen_socket(sock)


def _make(folder: Path) -> None:
    if folder.is_dir():
        return
    _make(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(FOLDER_MODE)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else claims a socket in a folder: one that is bound but not yet listened on is dead
    to whoever looks.
    """  # noqa: D205  # one sentence
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT
        while not _lock(descriptor):
            if time.monotonic() > deadline:
                raise SocketBusy(f"{folder} is locked by another process for {LOCK_TIMEOUT:g} s")
            time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
