"""The other implementations: their servers, and what their load generators say of a server."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.process import ROOT, environment
from tests.bench.processors import Processors
from tests.interop.peers import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["GO", "GRPC", "OURS", "RAW", "RUST", "TURN", "lacking", "rate", "running"]

# Commands that serve, before the address; those of the peers also take "bench".
GO = (str(program("go/peer")), "server", "--address")
RUST = (str(program("rust/peer-async")), "server", "--address")
GRPC = (sys.executable, "-m", "tests.bench.grpc_peer")
RAW = (sys.executable, "-m", "tests.bench.raw")
_OURS = (sys.executable, "-m", "tests.bench.server")
OURS = {flavour: (*_OURS, flavour) for flavour in ("sync", "aio", "uvloop")}

TURN = 0.2  # seconds; what disturbs one turn disturbs its neighbour too


def lacking(*servers: Sequence[str]) -> str:
    """Why a row is left out; empty when all the programs are there."""
    missing = [Path(path) for path, *_ in servers if not program(path).is_file()]
    return f"no {'/'.join(missing[0].parts[-2:])}, `make peers` builds it" if missing else ""


@contextmanager
def running(server: Sequence[str], *, apart: bool = False) -> Iterator[str]:
    """The address of a server in a process of its own; ``apart``, on a processor of its own."""
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        address = f"unix://{folder}/bench.sock"
        processors = Processors(apart=apart)
        with processors.theirs():
            process = subprocess.Popen(
                [*server, address],
                cwd=ROOT,
                env=environment({}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                assert process.stdout.readline(), f"{server[0]} does not listen"
                with processors.ours():
                    yield address
            finally:
                process.terminate()


def rate(
    server: Sequence[str],
    address: str,
    kind: str = "unary",
    *,
    callers: int = 1,
    size: int = 32,
    seconds: float = TURN,
) -> float:
    """Calls or messages in a second, by the client that comes with a server."""
    options = {
        "address": address,
        "kind": kind,
        "callers": callers,
        "seconds": seconds,
        "bytes": size,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([server[0], "bench", *words], check=True, stdout=subprocess.PIPE)
    line: dict[str, Any] = json.loads(done.stdout)
    return float(line["rate"])
