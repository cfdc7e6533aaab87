"""The event loops that asyncio is measured with."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LOOPS", "lacking_uvloop"]


def _uvloop() -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    return loop


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "aio": asyncio.new_event_loop,
    "uvloop": _uvloop,
}


def lacking_uvloop() -> str:
    """Why a row is left out; empty when uvloop is there."""
    return "" if importlib.util.find_spec("uvloop") else "uvloop is not installed"
