"""NRI's own mux at the other end: both roles on one trunk, and frames of every length."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.interop.foreign import GO, need
from tests.interop.peers import program
from tests.interop.service import INTEROP, SyncInterop
from tests.support.peer import background
from toolkit.errors import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.flavours import Flavour

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ECHO, CHAT = INTEROP["Echo"], INTEROP["Chat"]
PLUGIN, RUNTIME = 1, 2  # the connections of NRI, by who serves on them
LIMIT = 15.0
SIZES = [1, 4085, 4086, 4096, 4200, 8192, 65_536, 1 << 20, 4_100_000]
# Not those that leave hundreds of small messages unread: NRI's mux ends a trunk on which 256 wait.
SCENARIOS = [
    *("echo", "echo-empty", "echo-sizes", "echo-large", "echo-oversize", "overtake", "fail"),
    *("count", "count-large", "sum-large", "chat", "chat-many"),
]


class Runtime:
    """A Go program at the other end of a trunk: it serves on one connection, calls on the other.

    Attributes:
        trunk: our end.
        process: the program.
    """

    def __init__(self, trunk: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.trunk = trunk
        self.process = process

    def outcomes(self) -> Iterator[dict[str, Any]]:
        """What it says about each of its scenarios."""
        while "scenarios" not in (line := read_line(self.process)):
            yield line


def read_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    text = process.stdout.readline()
    assert text, "the peer ended"
    line: dict[str, Any] = json.loads(text)
    return line


@contextlib.contextmanager
def runtime(*scenarios: str, listens: bool = False) -> Iterator[Runtime]:
    """The Go program as the runtime: it serves on 2 and calls on 1."""
    need(GO)
    connections = ["--serve", str(RUNTIME), "--call", str(PLUGIN)]
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        address = str(Path(folder) / "trunk.sock")
        command = [program(GO.path), "mux", "--address", f"unix://{address}", *connections]
        if listens:
            with running([*command, "--listen", *scenarios]) as process:
                assert "listening" in read_line(process)
                yield Runtime(dialled(address), process)
        else:
            with listening(address) as listener, running([*command, *scenarios]) as process:
                assert "connected" in read_line(process)
                yield Runtime(listener.accept()[0], process)


def listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    return listener


def dialled(address: str) -> socket.socket:
    trunk = socket.socket(socket.AF_UNIX)
    trunk.connect(address)
    return trunk


@contextlib.contextmanager
def running(command: list[Any]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
            stdin: IO[bytes] | None = process.stdin
            assert stdin is not None
            stdin.close()  # tells it to stop
            process.wait(LIMIT)
        finally:
            process.kill()


@contextlib.contextmanager
def plugin(flavour: Flavour, peer: Runtime) -> Iterator[Any]:
    """Our side of both roles: it serves on 1; its channel to the runtime's service."""
    with (
        flavour.mux(peer.trunk) as mux,
        flavour.serving_on(mux.open(PLUGIN), {INTEROP: SyncInterop()}),
        flavour.connect(mux.open(RUNTIME)) as channel,
    ):
        yield channel


def echoes(channel: Any, size: int) -> bool:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    return bool(channel.call(ECHO, {"number": size, "data": data}, timeout=LIMIT).data == data)


@pytest.mark.parametrize("listens", [False, True], ids=["Go dials", "Go listens"])
def test_point_32_nri_reads_and_is_read_from_4200_bytes_to_4_1_mb(
    flavour: Flavour, *, listens: bool
) -> None:
    with (
        runtime("echo-sizes", "echo-large", listens=listens) as peer,
        plugin(flavour, peer) as channel,
    ):
        assert all(echoes(channel, size) for size in SIZES)
        assert all(outcome["ok"] for outcome in peer.outcomes())


def test_point_32_both_roles_work_on_one_trunk_at_once(flavour: Flavour) -> None:
    with runtime(*SCENARIOS) as peer, plugin(flavour, peer) as channel:
        calling = background(lambda: [echoes(channel, 10_000 * n) for n in range(30)])
        outcomes = {outcome["scenario"]: outcome for outcome in peer.outcomes()}

        assert all(calling.result(LIMIT))
    assert list(outcomes) == SCENARIOS
    failed = [name for name, outcome in outcomes.items() if not outcome["ok"]]
    assert failed == ["echo-oversize", "fail"]
    assert [outcomes[name]["code"] for name in failed] == [8, 5]


def send_all(stream: Any, items: list[dict[str, Any]]) -> None:
    for item in items:
        stream.send(item)
    stream.close_send()


def test_point_32_streams_go_over_a_mux(flavour: Flavour) -> None:
    with (
        runtime() as peer,
        plugin(flavour, peer) as channel,
        channel.stream(CHAT, timeout=LIMIT) as stream,
    ):
        items = [{"number": n, "data": bytes(n * 1000)} for n in range(50)]
        sender = background(send_all, stream, items)
        received = [(item.number, len(item.data)) for item in stream]
        sender.result(LIMIT)

    assert received == [(n, n * 1000) for n in range(50)]


def test_a_runtime_that_dies_fails_the_calls_of_its_plugin(flavour: Flavour) -> None:
    with runtime() as peer, plugin(flavour, peer) as channel:
        call = background(channel.call, INTEROP["Sleep"], {"milliseconds": 60_000})
        assert echoes(channel, 1)
        peer.process.kill()

        assert isinstance(call.exception(LIMIT), ConnectionClosed)
