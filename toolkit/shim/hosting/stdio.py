"""The stdin, stdout and stderr of one process: fifos and files named by their paths."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import termios
import threading
from pathlib import Path
from typing import NamedTuple

from toolkit.errors import RpcError
from toolkit.status import Code

__all__ = ["Stdio", "StdioPaths"]

_INT = struct.Struct("i")


class StdioPaths(NamedTuple):
    """Where a process reads and writes, as the request says it; empty is ``/dev/null``."""

    stdin: str = ""
    stdout: str = ""
    stderr: str = ""


class Stdio:
    """The open ends of one process.

    A fifo is kept open on this side for as long as the process lives, as runc's shim does it:
    a reader that goes away gives the process no SIGPIPE, and its stdin ends at CloseIO, not
    when the first writer leaves.
    """

    def __init__(self, paths: StdioPaths, *, folder: str) -> None:
        """Open them; a relative path is one in ``folder``.

        Raises:
            RpcError: a path that cannot be opened, or of a kind that is not served here.
        """
        self._closing = threading.Lock()  # Guards _stdin_writer: it must be closed only once.
        self._stdin_writer: int | None = None
        self._fds: list[int] = []
        try:
            self._open_stdin(_local(paths.stdin, folder))
            self._open_output(_local(paths.stdout, folder))
            if paths.stderr == paths.stdout:
                self._fds.append(os.dup(self._fds[1]))
            else:
                self._open_output(_local(paths.stderr, folder))
        except BaseException:
            self.close()
            raise

    @property
    def fds(self) -> tuple[int, int, int]:
        """What the process gets as its file descriptors 0, 1 and 2."""
        stdin, stdout, stderr = self._fds
        return stdin, stdout, stderr

    def close_stdin(self) -> None:
        """Let the process see the end of its stdin, once all other writers have left too."""
        with self._closing:
            writer, self._stdin_writer = self._stdin_writer, None
        if writer is not None:
            os.close(writer)

    def drain(self, stop: threading.Event) -> None:
        """Keep what the process wrote into a fifo until it was read, or until ``stop`` is set."""
        pause = 0.005
        while self._unread() and not stop.wait(pause):
            pause = min(2 * pause, 0.5)  # nobody may ever come to read it

    def close(self) -> None:
        """Close everything; readers of a fifo see its end."""
        self.close_stdin()
        fds, self._fds = self._fds, []
        for fd in fds:
            os.close(fd)

    def _open_stdin(self, path: str) -> None:
        # Without O_NONBLOCK, opening a fifo waits for a writer.
        fd = _open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._fds.append(fd)
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            self._stdin_writer = _open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.set_blocking(fd, True)

    def _open_output(self, path: str) -> None:
        if Path(path).is_fifo():
            # Linux opens a fifo for both without waiting for a reader: fifo(7).
            flags = os.O_RDWR
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._fds.append(_open(path, flags))

    def _unread(self) -> bool:
        return any(_fifo_size(fd) for fd in self._fds[1:])


def _local(path: str, folder: str) -> str:
    if not path:
        return os.devnull
    scheme, separator, rest = path.partition("://")
    if not separator:
        return str(Path(folder) / path)
    if scheme != "file":
        raise RpcError(
            Code.UNIMPLEMENTED, f"stdio {path!r}: only paths and file:// are served here"
        )
    try:
        Path(rest).parent.mkdir(parents=True, exist_ok=True)  # as runc's shim does
    except (OSError, ValueError) as exc:
        raise _cannot_open(path, exc) from exc
    return rest


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_NOCTTY, 0o600)
    except (OSError, ValueError) as exc:  # ValueError: a NUL in the path
        raise _cannot_open(path, exc) from exc


def _cannot_open(path: str, exc: OSError | ValueError) -> RpcError:
    reason = exc.strerror if isinstance(exc, OSError) else str(exc)
    return RpcError(Code.INVALID_ARGUMENT, f"stdio {path!r} cannot be opened: {reason}")


def _fifo_size(fd: int) -> int:
    if not stat.S_ISFIFO(os.fstat(fd).st_mode):
        return 0
    (size,) = _INT.unpack(fcntl.ioctl(fd, termios.FIONREAD, _INT.pack(0)))
    return int(size)
