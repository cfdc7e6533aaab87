"""Runs a shim's ``start`` or ``delete`` to its end, for blocking callers."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.shim.driving.starting import Command

__all__ = ["run"]


def run(command: Command, timeout: float) -> tuple[int | None, bytes, bytes]:
    """The exit status, None for one that was killed for taking too long; stdout and stderr."""
    with (
        tempfile.TemporaryFile() as stdin,
        # Files, not pipes: a shim that keeps its stderr open is no reason to wait for it.
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(command.stdin)
        stdin.seek(0)
        process = subprocess.Popen(  # noqa: S603  # the user names the program
            command.words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=command.folder,
            env=command.environment,
            process_group=0,
        )
        status: int | None = None
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if status is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        stdout.seek(0)
        stderr.seek(0)
        return status, stdout.read(), stderr.read()
