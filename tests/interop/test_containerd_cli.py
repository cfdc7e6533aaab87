"""A live runc shim of Debian's containerd, called from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interop.containerd import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def ttrpc(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolkit", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)


def state(container: Container, *args: str) -> subprocess.CompletedProcess[str]:
    return ttrpc("call", container.address, *args, "-d", json.dumps({"id": container.id}))


@pytest.mark.parametrize(
    "args",
    [
        ("containerd.task.v2.Task/State", "-s", "containerd@1.6"),
        ("containerd.task.v2.Task.State", "-s", "containerd@2.4"),
        ("containerd.task.v2.Task/State",),
        ("State", "-s", "containerd@1.6"),
        ("State",),
    ],
)
def test_state_prints_json_with_status_and_pid(args: tuple[str, ...], container: Container) -> None:
    done = state(container, *args)

    assert done.returncode == 0, done.stderr
    assert '"status": "RUNNING"' in done.stdout
    assert json.loads(done.stdout)["pid"] == container.pid


def test_a_bundle_is_an_address(container: Container) -> None:
    data = json.dumps({"id": container.id})

    done = ttrpc("call", str(container.bundle), "State", "-d", data, "-s", "containerd@1.6")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pid"] == container.pid


def test_stats_print_the_metrics_of_the_cgroup(container: Container) -> None:
    done = state(container, "containerd.task.v2.Task/Stats", "-s", "containerd@1.6")

    assert done.returncode == 0, done.stderr
    stats = json.loads(done.stdout)["stats"]
    assert stats["@type"].startswith("io.containerd.cgroups.v")
    assert stats["pids"]["current"] == "1"


def test_a_wrong_id_exits_69_with_not_found(container: Container) -> None:
    method = "containerd.task.v2.Task/State"

    done = ttrpc(
        "call", container.address, method, "-d", '{"id": "nobody"}', "-s", "containerd@1.6"
    )

    assert done.returncode == 69
    assert "Code: NotFound" in done.stderr
    assert done.stdout == ""


def test_a_service_that_the_shim_lacks_exits_76(container: Container) -> None:
    done = state(container, "containerd.task.v3.Task/State", "-s", "containerd@2.3")

    assert done.returncode == 76
    assert "Code: Unimplemented" in done.stderr


def test_a_method_that_the_schema_lacks_exits_1_and_names_the_nearest(
    container: Container,
) -> None:
    done = state(container, "containerd.task.v2.Task/Stat", "-s", "containerd@1.6")

    assert done.returncode == 1
    assert "State" in done.stderr
    assert done.stdout == ""


def test_the_connect_example_leaves_a_shim_with_a_container_running(container: Container) -> None:
    command = [sys.executable, "examples/connect.py", container.address, container.id]

    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENV, timeout=30)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("containerd.task.v2.Task: shim pid ")
    assert f"task pid {container.pid}\n" in done.stdout
    assert Path(f"/proc/{container.pid}").exists()
