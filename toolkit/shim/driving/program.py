"""Runs a shim's ``start`` or ``delete`` to its end, for blocking callers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from toolkit.shim.driving.output import GLANCE, too_much, written

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
        until = time.monotonic() + timeout
        try:
            while status is None and time.monotonic() < until and not too_much(stdout, stderr):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(min(GLANCE, max(until - time.monotonic(), 0)))
        finally:
            if status is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return status, written(stdout), written(stderr)
