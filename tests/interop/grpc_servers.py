"""gRPC servers of others that have reflection, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.interop.needs import unavailable
from tests.interop.peers import INTEROP, program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["go_server", "grpcio_server"]

ROOT = INTEROP.parents[1]
LIMIT = 10  # seconds for a server to end


@contextlib.contextmanager
def go_server(reflection: str = "both", scheme: str = "unix") -> Iterator[str]:
    """What to dial for grpc-go's reflection: ``unix:///PATH``, or ``HOST:PORT`` for ``tcp``.

    Args:
        reflection: the versions that it registers: ``both``, ``v1``, ``v1alpha`` or ``none``.
        scheme: ``unix`` or ``tcp``.
    """
    path = program("go-grpc/peer")
    if not path.is_file():
        unavailable(f"{path} is not built: `make peers` does, with Go")
    with _serving([path, "server", "--reflection", reflection], scheme) as target:
        yield target


@contextlib.contextmanager
def grpcio_server(scheme: str = "unix") -> Iterator[str]:
    """What to dial for grpcio's reflection, which has v1alpha only."""
    # A process of its own: grpcio's threads would outlive the test.
    with _serving([sys.executable, "-m", "tests.interop.grpcio_peer"], scheme) as target:
        yield target


@contextlib.contextmanager
def _serving(command: Sequence[str | Path], scheme: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        address = f"unix://{folder}/peer.sock" if scheme == "unix" else "tcp://127.0.0.1:0"
        with subprocess.Popen(
            [*command, "--address", address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            try:
                assert process.stdin is not None
                assert process.stdout is not None
                line = process.stdout.readline()  # one line says that it listens
                assert line, "the server did not start; it says why on stderr"
                target: str = json.loads(line)["listening"]
                yield target
                process.stdin.close()  # tells it to stop
                assert process.wait(LIMIT) == 0
            finally:
                process.kill()
