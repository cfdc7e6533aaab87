"""The program ``shim-task`` over the crate containerd-shim-protos, beyond the crate's examples."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop import foreign
from tests.interop.foreign import SHIM_PROTOS, ForeignServer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["messages", "scenario", "serving_life"]

LIMIT = 60  # seconds, far above what a client's scenario takes


@contextlib.contextmanager
def serving_life() -> Iterator[ForeignServer]:
    """Its Task and Sandbox services, with every method; in a process that ends with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="ttrpc-") as folder,
        Path(folder, "stderr").open("wb") as stderr,
    ):
        address = f"unix://{folder}/peer.sock"
        with subprocess.Popen(
            [foreign._built(SHIM_PROTOS), "life", "--address", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            server = ForeignServer(address, process, stderr)
            try:
                assert process.stdout.readline(), server.said  # one line says that it listens
                yield server
            finally:
                process.stdin.close()  # tells it to stop
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def scenario(name: str, address: str, *, bundle: str = "") -> dict[str, Any]:
    """What its client says about one scenario."""
    options = ["--bundle", bundle] if bundle else []
    [line] = _lines("client", "--address", address, *options, name)
    return line


def messages() -> str:
    """What the crate encodes, and its topics: a line of JSON each."""
    return "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in _lines("messages"))


def _lines(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [foreign._built(SHIM_PROTOS), *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
