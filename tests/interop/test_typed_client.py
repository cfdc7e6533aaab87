"""The typed example against a live runc shim of containerd 2.4."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.needs import unavailable
from tests.interop.peers import program

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Containerd

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
PROGRAMS = (
    "runc-shim/2.4/containerd-shim-runc-v2",
    "containerd/2.4/containerd",
    "containerd/2.4/ctr",
)
CODEGEN = (
    *("codegen", "-s", "containerd@2.4", "--service", "containerd.task.v3.Task"),
    *("--out", "shim_api"),
)


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=ENV, cwd=cwd, timeout=30
    )


def test_typed_client_prints_the_state_of_a_running_container(
    tmp_path: Path, start_containerd: Callable[[Path], AbstractContextManager[Containerd]]
) -> None:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for path in map(program, PROGRAMS):
        if not path.is_file():
            unavailable(f"{path} is not built: `make peers` does, with Go")
        (binaries / path.name).symlink_to(path)
    shutil.copy(ROOT / "examples" / "typed" / "client.py", tmp_path)
    generated = run("-m", "toolkit", *CODEGEN, cwd=tmp_path)
    assert generated.returncode == 0, generated.stderr

    with start_containerd(binaries) as containerd:
        container = containerd.run("typed", "sleep", "1000")
        done = run("client.py", container.address, container.id, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"typed {container.pid} RUNNING\n"
