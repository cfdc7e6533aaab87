"""The fifo ``log`` in a bundle, which a shim writes its log to and whoever started it reads."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LogPipe"]

_KEPT = 64 << 10  # bytes
_CHUNK = 64 << 10


class LogPipe:
    """The reading end, kept open as long as the shim runs: it would block when nobody reads.

    Attributes:
        text: the last 64 KiB that were written.
    """

    def __init__(self, path: Path) -> None:
        """Make the fifo, unless it is there, and open it.

        Raises:
            OSError: it cannot be made or opened.
        """
        self._path = path
        self._made = False
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o700)
            self._made = True
        # For both directions, as containerd has it: with a writer of our own, there is no end.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._kept = b""

    def fileno(self) -> int:
        """The descriptor, readable when something was written."""
        return self._descriptor

    def drain(self) -> None:
        """Take what has been written; never waits."""
        while True:
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                return
            self._kept = (self._kept + data)[-_KEPT:]

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")

    def close(self) -> None:
        """Close it; the fifo goes with the bundle. Twice is fine."""
        if self._descriptor >= 0:
            self.drain()
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Close it, and remove the fifo unless it was there before."""
        self.close()
        if self._made:
            self._path.unlink(missing_ok=True)
