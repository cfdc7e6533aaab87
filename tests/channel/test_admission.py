"""Who is let in, and that a server goes on accepting."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.channel.conftest import Echo
from tests.support.echo import ECHO, request_frame
from tests.support.peer import background, read_to_end
from toolkit.errors import ConnectionClosed
from toolkit.rpc.credentials import root, same_user, user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.flavours import Flavour
    from toolkit.rpc.context import Peer

UNARY = ECHO["Unary"]
ROOT = Path(__file__).parents[2]

NOBODY = 65534
# How many bytes answer a call of this user.
CALLER = """
import os, socket, sys
user = int(sys.argv[1])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
with socket.socket(socket.AF_UNIX) as sock:
    sock.connect("\\0" + sys.argv[2])
    try:
        sock.sendall(bytes.fromhex(sys.argv[3]))
        print(len(sock.recv(100)))
    except (BrokenPipeError, ConnectionResetError):
        print(0)
"""


def test_point_28_the_peer_is_judged_by_what_the_kernel_says_of_it(
    flavour: Flavour, address: str
) -> None:
    seen: list[Peer] = []

    def authorize(peer: Peer) -> bool:
        seen.append(peer)
        return True

    with (
        flavour.serving(address, {ECHO: Echo()}, authorize=authorize) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        channel.call(UNARY, timeout=5)
        channel.call(UNARY, timeout=5)

    assert seen == [(bound, os.getpid(), os.geteuid(), os.getegid())]


def test_point_28_who_is_not_let_in_is_closed_before_its_first_frame(
    flavour: Flavour, address: str
) -> None:
    traced: list[Any] = []
    with (
        flavour.serving(
            address,
            {ECHO: Echo()},
            authorize=user(os.geteuid() + 1),
            trace=lambda *frame: traced.append(frame),
        ) as (_, bound),
        flavour.connect(bound) as channel,
        pytest.raises(ConnectionClosed) as caught,
    ):
        channel.call(UNARY, timeout=5)
    assert caught.value.by_peer
    assert traced == []


def test_point_28_the_same_user_is_let_in(flavour: Flavour, address: str) -> None:
    with (
        flavour.serving(address, {ECHO: Echo()}, authorize=same_user()) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
@pytest.mark.parametrize("check", [same_user, root], ids=["same_user", "root"])
def test_point_28_another_user_is_not_let_in(flavour: Flavour, check: Any) -> None:
    name = f"ttrpc-toolkit-{os.getpid()}"

    def answered(uid: int) -> int:
        command = [sys.executable, "-I", "-c", CALLER, str(uid), name, request_frame(1).hex()]
        return int(subprocess.check_output(command))

    with flavour.serving(f"unix://@{name}", {ECHO: Echo()}, authorize=check()):
        assert answered(0) > 0
        assert answered(NOBODY) == 0


def test_point_28_a_connection_that_is_handed_over_is_judged_too(flavour: Flavour) -> None:
    with flavour.connection({ECHO: Echo()}, authorize=lambda peer: False) as client:
        assert read_to_end(client) == b""


def test_a_check_that_fails_lets_nobody_in_and_is_logged(
    flavour: Flavour, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(peer: Peer) -> bool:
        raise RuntimeError("the list of users is gone")

    with flavour.connection({ECHO: Echo()}, authorize=authorize) as client:
        assert read_to_end(client) == b""
    assert "the list of users is gone" in caplog.text


def test_point_28_a_check_that_takes_its_time_holds_nobody_else(
    flavour: Flavour, address: str
) -> None:
    go_on, begun, first = threading.Event(), threading.Event(), threading.Lock()

    def authorize(peer: Peer) -> bool:
        if first.acquire(blocking=False):
            begun.set()
            assert go_on.wait(5)
        return True

    with (
        flavour.serving(address, {ECHO: Echo()}, authorize=authorize) as (_, bound),
        flavour.connect(bound) as slow,
        flavour.connect(bound) as quick,
    ):
        held = background(slow.call, UNARY, {"text": "slow"}, timeout=5)
        assert begun.wait(5)
        assert quick.call(UNARY, {"text": "quick"}, timeout=5).text == "quick"
        assert not held.done()
        go_on.set()
        assert held.result(5).text == "slow"


def test_a_server_that_is_closed_during_a_check_closes_that_connection(
    flavour: Flavour, address: str
) -> None:
    go_on, begun = threading.Event(), threading.Event()

    def authorize(peer: Peer) -> bool:
        begun.set()
        return go_on.wait(5)

    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        with flavour.serving(address, {ECHO: Echo()}, authorize=authorize) as (server, _):
            client.connect(address.removeprefix("unix://"))
            assert begun.wait(5)
            stopping = background(server.shutdown, 0)
            go_on.set()
            assert read_to_end(client) == b""
            assert stopping.result(5) == 0


@contextlib.contextmanager
def limited_server(flavour: Flavour, address: str) -> Iterator[subprocess.Popen[str]]:
    """A server that has a dozen file descriptors left."""
    command = [sys.executable, "-m", "tests.support.serving", flavour.name, address, "12"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{address}\n"
            yield process
        finally:
            process.kill()


def test_point_28_accepting_survives_the_want_of_descriptors(
    flavour: Flavour, address: str
) -> None:
    with limited_server(flavour, address) as process, flavour.connect(address) as early:
        assert process.stdin is not None
        assert process.stderr is not None
        early.call(UNARY, timeout=5)
        many = [socket.socket(socket.AF_UNIX) for _ in range(40)]
        for sock in many:
            sock.connect(address.removeprefix("unix://"))
        assert "cannot accept" in process.stderr.readline()

        big = early.call(UNARY, {"data": bytes(3 << 20)}, timeout=5)
        assert len(big.data) == 3 << 20
        for sock in many:
            sock.close()
        with flavour.connect(address) as late:
            assert late.call(UNARY, {"text": "late"}, timeout=10).text == "late"

        process.stdin.close()
        warnings = [line for line in process.stderr.read().splitlines() if "cannot" in line]
        assert process.wait(10) == 0
        assert len(warnings) < 50  # it waits between two tries
