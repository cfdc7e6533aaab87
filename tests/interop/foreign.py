"""The foreign peers: what is peculiar to each, and how their programs are run."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from tests.interop.needs import unavailable
from tests.interop.peers import program

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "GO",
    "GO_1_1",
    "GO_1_2_7",
    "PEERS",
    "RUST",
    "RUST_SYNC",
    "SHIM_PROTOS",
    "STREAMING",
    "ForeignServer",
    "Peer",
    "load",
    "need",
    "running_client",
    "scenarios",
    "serving",
]

LIMIT = 60  # seconds for a client's scenarios, far above what they take


class Peer(NamedTuple):
    """A program over another implementation, and the codes of its server.

    Attributes:
        name: as the table has it.
        path: below the peers' folder.
        streams: whether it knows more than unary calls.
        unknown_service, unknown_method: its server's code for a call of one that it lacks.
        oversize_reply: its server's code for a reply above 4 MiB; None where it closes the
            connection instead.
        reply_overhead: bytes of its Response around the payload.
    """

    name: str
    path: str
    streams: bool = True
    unknown_service: int = 12
    unknown_method: int = 12
    oversize_reply: int | None = None
    reply_overhead: int = 5

    @property
    def is_rust(self) -> bool:
        """Whether the crate ``ttrpc`` is in it."""
        return self.path.startswith("rust/")


# Go server.go: a reply that the channel does not take ends the connection.
GO = Peer("Go 1.2.10", "go/peer")
GO_1_2_7 = Peer("Go 1.2.7", "go-1.2.7/peer")
# Go 1.1 channel.go: the length is checked by the receiver only, so such a reply is sent.
GO_1_1 = Peer("Go 1.1.2", "go-1.1/peer", streams=False, oversize_reply=8)
# Rust async/server.rs: INVALID_ARGUMENT for a service, UNIMPLEMENTED for a method; proto.rs: for a
# message that is too long, too; and every success carries an empty status, two bytes.
RUST = Peer("Rust 0.10 async", "rust/peer-async", unknown_service=3, oversize_reply=3)
RUST = RUST._replace(reply_overhead=7)
# Rust sync/server.rs: looks a method up by its path, so both are INVALID_ARGUMENT.
RUST_SYNC = RUST._replace(
    name="Rust 0.10 sync", path="rust/peer-sync", streams=False, unknown_method=3
)
SHIM_PROTOS = RUST._replace(name="containerd-shim-protos 0.12", path="rust/shim-task")

PEERS = [GO, GO_1_1, RUST, RUST_SYNC]
STREAMING = [peer for peer in PEERS if peer.streams]


def need(peer: Peer) -> None:
    """Go on only if the peer's program is there."""
    path = program(peer.path)
    if not path.is_file():
        unavailable(f"{path} is not built: `make peers` does, with Go and cargo")


class ForeignServer:
    """A peer's server that runs.

    Attributes:
        address: where it listens.
        process: its process.
    """

    def __init__(self, address: str, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        self.address = address
        self.process = process
        self._stderr = stderr

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    @property
    def said(self) -> str:
        """What it wrote to stderr so far."""
        return Path(self._stderr.name).read_text(errors="replace")

    def kill(self) -> None:
        """End it as the kernel does when memory runs out."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Stop it from reading, and from anything else."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Undo ``pause``."""
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def serving(peer: Peer) -> Iterator[ForeignServer]:
    """The peer's server, in a process of its own that ends with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="ttrpc-") as folder,
        Path(folder, "stderr").open("wb") as stderr,
    ):
        address = f"unix://{folder}/peer.sock"
        command = [_built(peer), "server", "--address", address]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
        ) as process:
            server = ForeignServer(address, process, stderr)
            try:
                assert process.stdout is not None
                assert process.stdout.readline(), server.said  # one line says that it listens
                yield server
            finally:
                server.go_on()
                assert process.stdin is not None
                process.stdin.close()  # tells it to stop
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def scenarios(peer: Peer, address: str, *names: str, threads: int = 1) -> list[dict[str, Any]]:
    """What the peer's client says about each of its scenarios, all over one connection."""
    options = ["--threads", str(threads)] if threads > 1 else []
    return _lines(peer, "client", "--address", address, *options, *names)


def load(peer: Peer, address: str, *, callers: int, threads: int = 1) -> dict[str, Any]:
    """What the peer's load generator says of a moment with this many unary calls in flight."""
    options = ["--kind", "unary", "--callers", str(callers), "--seconds", "0.5"]
    if threads > 1:
        options += ["--threads", str(threads)]
    [line] = _lines(peer, "bench", "--address", address, *options)
    return line


@contextlib.contextmanager
def running_client(peer: Peer, address: str, *names: str) -> Iterator[subprocess.Popen[bytes]]:
    """The peer's client at its scenarios; killed at the end of the block, if not before."""
    with subprocess.Popen(
        [_built(peer), "client", "--address", address, *names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _lines(peer: Peer, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [_built(peer), *arguments], capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _built(peer: Peer) -> str:
    need(peer)
    return str(program(peer.path))
