"""Runs a shim's ``start`` or ``delete`` to its end, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from typing import TYPE_CHECKING

from toolkit.shim.driving.output import GLANCE, too_much, written

if TYPE_CHECKING:
    from toolkit.shim.driving.starting import Command

__all__ = ["run"]


async def run(command: Command, timeout: float) -> tuple[int | None, bytes, bytes]:
    """The exit status, None for one that was killed for taking too long; stdout and stderr."""
    with (
        tempfile.TemporaryFile() as stdin,
        # Files, not pipes: a shim that keeps its stderr open is no reason to wait for it.
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(command.stdin)
        stdin.seek(0)
        process = await asyncio.create_subprocess_exec(
            *command.words,
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
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(GLANCE, max(until - time.monotonic(), 0))):
                        status = await process.wait()
        finally:
            if status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        return status, written(stdout), written(stderr)
