"""What a shim's program may write before it is ended, and how much of that is read."""

from __future__ import annotations

import os
from typing import IO

__all__ = ["GLANCE", "too_much", "written"]

GLANCE = 0.25  # seconds after which the size of what it writes is looked at
_MOST = 8 << 20  # bytes; an answer has a hundred
_READ = 64 << 10  # bytes, from the end


def too_much(*files: IO[bytes]) -> bool:
    """Whether a program fills the disk instead of answering."""
    return any(os.fstat(file.fileno()).st_size > _MOST for file in files)


def written(file: IO[bytes]) -> bytes:
    """The end of what was written."""
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), _READ, max(size - _READ, 0))
