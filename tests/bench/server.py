"""Servers in processes of their own, on a processor of their own.

``python -m tests.bench.server SOCKET`` is our blocking one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import toolkit
from tests.bench.process import ROOT
from toolkit import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["apart", "running"]


@contextmanager
def running(module: str) -> Iterator[str]:
    """The path of the socket that ``python -m MODULE SOCKET`` listens on."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/bench.sock"
        command = [sys.executable, "-m", module, path]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it listens
            try:
                with apart(process.pid):
                    yield path
            finally:
                process.terminate()


@contextmanager
def apart(pid: int) -> Iterator[None]:
    """This process on one processor, that one on another: else the scheduler's moods are measured.

    Two that talk in turn may share a processor or wake each other across two, which differs by a
    factor of three and changes from second to second.
    """
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    first, second, *_ = sorted(before)
    os.sched_setaffinity(pid, {second})
    os.sched_setaffinity(0, {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Task:
    """State, as a shim answers it."""

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        return {"id": request.id}


def main(path: str) -> None:
    """Serve until the process is ended."""
    server = sync.Server()
    server.add(toolkit.load("containerd").service("containerd.task.v3.Task"), Task())
    with server.listen(f"unix://{path}"):
        print("listening", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
