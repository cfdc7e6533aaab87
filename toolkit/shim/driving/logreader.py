"""Reads a shim's log in a thread, for blocking callers."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.shim.driving.logpipe import LogPipe

__all__ = ["LogReader"]


class LogReader:
    """Keeps reading a shim's log, in a thread of its own."""

    def __init__(self, pipe: LogPipe) -> None:
        self._pipe = pipe
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="shim-log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; twice is fine."""
        if self._wake >= 0:
            os.close(self._wake)
            self._wake = -1
            self._thread.join()

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._pipe, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            self._pipe.drain()
            if self._woken in ready:
                os.close(self._woken)
                return
