"""Running the toolchains' commands, quietly while they succeed."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["BuildFailed", "go_environment", "run", "toolchain"]

# How to ask each toolchain for its version: part of what a built peer depends on.
VERSION_COMMANDS = {"go": ("go", "version"), "cargo": ("rustc", "--version")}


class BuildFailed(Exception):
    """A command did not succeed, or the pins contradict each other."""


def run(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> str:
    """What the command wrote to stdout; ``BuildFailed`` with all it said if it fails."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        words = " ".join(map(str, command))
        raise BuildFailed(f"{words}\n(exit code {done.returncode})\n{said}")
    return done.stdout


def toolchain(name: str) -> str | None:
    """The version of ``go`` or ``cargo`` as it names itself; None if it is not installed."""
    command = VERSION_COMMANDS[name]
    if not (shutil.which(name) and shutil.which(command[0])):
        return None
    return run(command, Path.cwd(), os.environ).strip()


def go_environment() -> dict[str, str]:
    """Static programs, by the installed Go and no other, whatever the user's workspace is."""
    chosen = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    return {**os.environ, **chosen}
