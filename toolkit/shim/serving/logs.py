"""The log of a shim: the fifo ``log`` in its bundle becomes stderr, which containerd reads.

Nothing here waits for a reader: containerd may be gone, stopped, or slow, and the shim goes on.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LogHandler", "log_to", "open_log"]

FILE = "log"
STDERR = 2
_PIECE = 4096  # bytes; Linux's PIPE_BUF: one write is read whole, or not taken at all


def open_log(bundle: str | os.PathLike[str]) -> int:
    """A descriptor to write the log to: the bundle's fifo; a null device where there is none.

    Raises:
        OSError: there is a fifo, and it cannot be opened.
    """
    path = Path(bundle) / FILE
    # For both directions, so that opening it neither waits for a reader nor fails without one:
    # fifo(7). What is written while nobody reads is kept, 64 KiB of it, until containerd is back.
    flags = os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return os.open(os.devnull, os.O_WRONLY)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor


def log_to(descriptor: int, *, debug: bool) -> LogHandler:
    """Make a descriptor stderr, and have everything that is logged written there."""
    os.dup2(descriptor, STDERR)  # a dup2 is inheritable; children get a stderr of their own
    os.close(descriptor)
    # What Python itself prints, such as a thread's last traceback.
    sys.stderr = open(STDERR, "w", buffering=1, errors="replace", closefd=False)  # noqa: SIM115
    handler = LogHandler(STDERR)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    return handler


class LogHandler(logging.Handler):
    """Writes lines as containerd's own log has them; what nobody reads in time is dropped.

    Attributes:
        dropped: how many lines were, since the last one that was written.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; one thread at a time, as ``logging`` sees to."""
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001  # a message that does not fit its arguments
            line = _line(record, str(record.msg))
        if self.dropped and self._write(_note(record, self.dropped)):
            self.dropped = 0
        if self.dropped or not self._write(line):
            self.dropped += 1

    def format(self, record: logging.LogRecord) -> str:
        """The line: time, level, message, and the logger's name."""
        text = record.getMessage()
        if record.exc_info:
            formatter = self.formatter or logging.Formatter()
            text += "\n" + formatter.formatException(record.exc_info)
        return _line(record, text)

    def _write(self, line: str) -> bool:
        try:
            for piece in _pieces(line.encode("utf-8", "replace")):
                os.write(self._descriptor, piece)
        except OSError:  # full, or without a reader
            return False
        return True


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


def _line(record: logging.LogRecord, text: str) -> str:
    # logrus, which containerd logs with: RFC 3339 to the nanosecond, values quoted as in Go.
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    moment = f"{second}.{int(record.created % 1 * 1e9):09}Z"
    level = record.levelname.lower()
    message, source = json.dumps(text, ensure_ascii=False), json.dumps(record.name)
    return f'time="{moment}" level={level} msg={message} logger={source}\n'


def _note(record: logging.LogRecord, dropped: int) -> str:
    return _line(record, f"{dropped} lines of this log were dropped: nobody read them")
