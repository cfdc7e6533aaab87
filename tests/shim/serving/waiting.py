"""Waiting for what tells nobody that it has happened."""

from __future__ import annotations

import os
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ends", "eventually"]

PATIENCE = 10.0  # seconds for what takes a tenth of one


def eventually(claim: Callable[[], object]) -> bool:
    """Whether a claim comes true."""
    deadline = time.monotonic() + PATIENCE
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def ends(pid: int) -> bool:
    """Whether a process ends."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)
