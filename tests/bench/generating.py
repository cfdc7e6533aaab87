"""Typed modules: making them for every containerd line, and importing one of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import toolkit
from tests.bench.process import TTRPC, seconds
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

_LOAD = 'import toolkit; toolkit.load("containerd@2.4").service("containerd.task.v3.Task")'
_IMPORT = "import stubs.containerd_task_v3"


def rows(rounds: int) -> Iterator[Row]:
    """Whole processes, with a warm cache."""
    lines = [one.name for one in toolkit.releases() if one.project == "containerd"]
    with tempfile.TemporaryDirectory() as folder:
        samples = [_all(lines, Path(folder)) for _ in range(max(1, rounds // 5))]
        what = f"ttrpc codegen, all {len(lines)} containerd lines, a process each"
        yield Row(what, samples, unit="s", limit=10)
        _generate("containerd@2.4", Path(folder, "stubs"))
        yield compare(
            "import a generated Task module / load the schema",
            lambda: seconds([sys.executable, "-c", _IMPORT], PYTHONPATH=folder),
            lambda: seconds([sys.executable, "-c", _LOAD], PYTHONPATH=folder),
            rounds,
            limit=1.15,
        )


def _all(lines: list[str], folder: Path) -> float:
    start = time.perf_counter()
    for line in lines:
        _generate(line, folder / line.replace("@", "_").replace(".", "_"))
    return time.perf_counter() - start


def _generate(line: str, out: Path) -> None:
    subprocess.run([*TTRPC, "codegen", "-s", line, "--out", str(out)], check=True)
