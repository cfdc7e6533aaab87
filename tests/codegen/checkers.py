"""Running the type checkers over generated packages; they take seconds, so not in every run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MYPY", "PYRIGHT", "ROOT", "environment", "needs_checkers", "pyright_config", "run"]

ROOT = Path(__file__).parents[2]
MYPY = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file="]
PYRIGHT = [str(Path(sys.executable).with_name("pyright"))]

needs_checkers = pytest.mark.skipif(
    os.environ.get("INTEROP") != "required",
    reason="type checkers run with INTEROP=required",
)


def environment() -> dict[str, str]:
    """With the toolkit where Python, mypy and pyright find it."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}


def pyright_config(folder: Path, include: Iterable[str]) -> Path:
    """A configuration of pyright: strict, for these files and folders."""
    path = folder / "pyrightconfig.json"
    config = {
        "include": list(include),
        "typeCheckingMode": "strict",
        "extraPaths": [str(ROOT)],
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    path.write_text(json.dumps(config))
    return path


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a checker in a folder."""
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
