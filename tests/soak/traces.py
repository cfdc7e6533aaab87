"""What calls must not leave behind in a process."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import NamedTuple

__all__ = ["Traces", "complain"]

_GROWTH = 3 << 20  # bytes of memory; an entry for each of 100,000 calls would be ten times that
_OBJECTS = 2000  # of 100,000 calls


class Traces(NamedTuple):
    """What a process has at one moment."""

    threads: int
    files: int
    memory: int
    objects: int

    @classmethod
    def now(cls) -> Traces:
        """This process, after a collection."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            threading.active_count(),
            len(list(Path("/proc/self/fd").iterdir())),
            pages * 4096,
            len(gc.get_objects()),
        )


def complain(before: Traces, after: Traces) -> list[str]:
    """What there is more of than there should be."""
    found = []
    if after.threads > before.threads:
        found.append(f"{after.threads - before.threads} threads more")
    if after.files > before.files:
        found.append(f"{after.files - before.files} file descriptors more")
    if after.memory > before.memory + _GROWTH:
        found.append(f"{(after.memory - before.memory) >> 10} KiB of memory more")
    if after.objects > before.objects + _OBJECTS:
        found.append(f"{after.objects - before.objects} objects more")
    return found
