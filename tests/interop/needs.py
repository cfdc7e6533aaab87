"""What a test does about a real peer that is not on this machine."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["need_programs", "need_root", "unavailable"]


def unavailable(reason: str) -> NoReturn:
    """Skip, or fail where ``INTEROP=required`` says that every peer has to be there."""
    if os.environ.get("INTEROP") == "required":
        pytest.fail(f"INTEROP=required, but {reason}", pytrace=False)
    pytest.skip(reason)


def need_programs(names: Iterable[str], *, path: str) -> None:
    """Go on only if these programs are on ``path``."""
    missing = [name for name in names if shutil.which(name, path=path) is None]
    if missing:
        unavailable(f"there is no {', '.join(missing)} here")


def need_root() -> None:
    """Go on only as root."""
    if os.geteuid() != 0:
        unavailable("it takes root to run containers")
