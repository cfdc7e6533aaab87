"""Type checkers over the packages of every release and of the zoos: nothing to complain about."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.codegen.checkers import MYPY, PYRIGHT, needs_checkers, pyright_config, run
from tests.codegen.packages import RELEASES, ZOOS, folder, home, package_name

pytestmark = [needs_checkers, pytest.mark.timeout(900)]

EVERY = [*RELEASES, *ZOOS]
# What may differ between a stub and the live class: what protobuf's own classes are made of.
ALLOWED = re.compile(
    r"error: \S+ is inconsistent, metaclass differs"
    r"|error: \S+\.__init__ is inconsistent, stub does not have \*args parameter \"args\""
)


def every_package() -> list[str]:
    return [folder(source).name for source in EVERY]


def test_mypy_strict_has_nothing_to_say() -> None:
    done = run([*MYPY, *every_package()], home())

    assert (done.returncode, done.stdout) == (0, "")


def test_pyright_strict_has_nothing_to_say() -> None:
    config = pyright_config(home(), every_package())

    done = run([*PYRIGHT, "-p", str(config)], home())

    assert done.returncode == 0, done.stdout[-5000:]


def test_stubs_agree_with_the_live_classes() -> None:
    stubs = [
        f"{package}.{path.stem}"
        for package in every_package()
        for path in sorted((home() / package).glob("*.pyi"))
    ]

    done = run([sys.executable, "-m", "mypy.stubtest", *stubs], home())

    found = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert found  # it has looked: the metaclass always differs
    assert [line for line in found if not ALLOWED.match(line)] == []
    assert "not checking stubs" not in done.stdout + done.stderr


@pytest.mark.parametrize("source", EVERY)
def test_files_are_formatted_as_ruff_would(source: str) -> None:
    folder(source)
    command = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "--diff"]

    done = run([*command, package_name(source)], home())

    assert done.returncode == 0, done.stdout[:3000]
