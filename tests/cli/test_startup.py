"""What a command does not load: every import here is time that a user waits."""

from __future__ import annotations

import subprocess
import sys

import pytest

import toolkit
from tests.cli.command import Task, serving

HEAVY = ("asyncio", "dataclasses", "google", "grpc", "grpc_tools", "importlib.metadata", "jinja2")

# Prints what is loaded once the command has run, each name once with its parents.
PROGRAM = """
import sys
from toolkit.cli import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded(*argv: str, **environment: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *argv], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["call", "--help"]])
def test_help_loads_nothing_heavy(argv: list[str]) -> None:
    found = loaded(*argv)

    assert found.isdisjoint(HEAVY)
    assert found.isdisjoint({"toolkit.schema", "toolkit.sync", "toolkit.wire", "socket"})


def test_import_time_of_help_shows_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "toolkit", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in imported
    assert imported.isdisjoint(HEAVY)


def test_releases_load_no_protobuf() -> None:
    assert loaded("releases").isdisjoint(HEAVY)


def test_a_warm_call_loads_protobuf_and_nothing_else_that_is_heavy() -> None:
    service = toolkit.load("containerd").service("containerd.task.v3.Task")
    with serving((service, Task())) as address:
        command = ("call", address, "containerd.task.v3.Task/State", "-d", '{"id": "web"}')
        loaded(*command)  # fills the cache

        found = loaded(*command)

    assert "google.protobuf" in found
    assert found.isdisjoint({*HEAVY, "tempfile", "tomllib", "difflib", "subprocess"} - {"google"})
