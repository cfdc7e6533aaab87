"""Which processors the two sides of a measurement run on."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Processors"]

# Asked once: within the block of one server this process has a single one left.
_ALL = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Processors:
    """One for the client and another for the server, or all for both.

    Two that talk in turn may share a processor or wake each other across two, which differs by a
    factor of three and changes from second to second: ``apart``, the scheduler's moods are not
    measured. Where both sides have work to do at once they need all there are.
    """

    def __init__(self, *, apart: bool) -> None:
        self._split = apart and len(_ALL) > 1

    @contextmanager
    def ours(self) -> Iterator[None]:
        """This thread runs on the client's, and so does what it starts."""
        with self._on(0):
            yield

    @contextmanager
    def theirs(self) -> Iterator[None]:
        """This thread runs on the server's, and so does what it starts."""
        with self._on(1):
            yield

    @contextmanager
    def _on(self, index: int) -> Iterator[None]:
        if not self._split:
            yield
            return
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {_ALL[index]})
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
