"""What a user without rights sees."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["as_nobody"]

NOBODY = 65534

T = TypeVar("T")


def as_nobody(act: Callable[[], T], *, reads: str = "") -> T:
    """What this gives in a process of a user without rights; it has to be loaded already.

    Args:
        act: what to do.
        reads: a file that it needs, which this user has to be let to.
    """
    if os.geteuid() != 0:
        pytest.skip("it takes root to become another user")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        with os.fdopen(writer, "wb") as file:
            pickle.dump(_outcome(act, reads), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        done, result = pickle.load(file)
    os.waitpid(child, 0)
    if done is None:
        pytest.skip("this checkout lies where only root may look: nobody can run its code")
    assert done, result
    found: T = result
    return found


def _outcome(act: Callable[[], object], reads: str) -> tuple[bool | None, object]:
    if reads and not os.access(reads, os.R_OK):
        return None, None
    try:
        return True, act()
    except BaseException as exc:
        return False, repr(exc)
