"""Processes whose command lines, folders and sockets are those of shims; they end with the test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["TASKS", "Bundle", "lookalike", "unused_namespace"]

TASKS = "io.containerd.runtime.v2.task"
ROOT = Path(__file__).resolve().parents[3]
CONTAINERD = "/run/lookalike/containerd.sock"


def unused_namespace() -> str:
    """A namespace that no other test, and no containerd, has."""
    return f"test-{uuid.uuid4().hex[:12]}"


class Bundle:
    """A bundle in a state folder of one's own."""

    def __init__(self, state: Path, namespace: str, id: str) -> None:
        self.namespace = namespace
        self.id = id
        self.path = state / TASKS / namespace / id
        self.path.mkdir(parents=True)
        (self.path / "config.json").write_text("{}")

    def says(self, address: str, *, version: int = 3, protocol: str = "ttrpc") -> Bundle:
        """As containerd 1.7 and later note it."""
        text = json.dumps({"version": version, "address": address, "protocol": protocol})
        (self.path / "bootstrap.json").write_text(text)
        return self

    def says_as_of_old(self, address: str) -> Bundle:
        """As shims noted it themselves."""
        (self.path / "address").write_text(address)
        return self


@contextlib.contextmanager
def lookalike(
    namespace: str,
    id: str,
    *,
    bundle: Path,
    socket: str = "",
    mode: str = "listen",
    action: str = "",
    before: Sequence[str] = (),
) -> Iterator[int]:
    """A process that looks like a shim; its number.

    Args:
        namespace: on its command line.
        id: on its command line.
        bundle: its working folder.
        socket: a path, or an abstract name after a ``@``; several with a colon between; or empty.
        mode: ``listen`` never answers, ``hangup`` closes what it accepts, ``serve2`` and
            ``serve3`` have a Task service, ``fork`` has a child with the same command line.
        action: behind its flags.
        before: a program that starts it, such as ``unshare``.
    """
    words = ["-namespace", namespace, "-id", id, "-address", CONTAINERD, *filter(None, [action])]
    environment = {"PYTHONPATH": str(ROOT), "MODE": mode, "SOCKET": socket}
    if "HOME" in os.environ:
        environment["HOME"] = os.environ["HOME"]
    with subprocess.Popen(
        [
            *before,
            sys.executable,
            "-B",
            str(Path(__file__).with_name("lookalike_program.py")),
            *words,
        ],
        cwd=bundle,
        env={**environment, "PATH": os.environ.get("PATH", os.defpath)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()
