"""Timing whole processes, as a user at a terminal waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ROOT", "TTRPC", "environment", "run", "seconds"]

ROOT = Path(__file__).parents[2]
_SCRIPT = Path(sys.executable).with_name("ttrpc")
TTRPC = [str(_SCRIPT)] if _SCRIPT.exists() else [sys.executable, "-m", "toolkit"]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Ours, but with compiled modules kept on disk, as an installation has them."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **extra}


def run(command: Sequence[str], **extra: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        command, check=True, cwd=ROOT, env=environment(extra), stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def seconds(command: Sequence[str], **extra: str) -> float:
    """How long a command takes from start to end."""
    start = time.perf_counter()
    run(command, **extra)
    return time.perf_counter() - start
