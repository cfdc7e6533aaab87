"""Every kind of address, from both ends, and what goes wrong with each."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.channel.conftest import Echo
from tests.support.echo import ECHO
from tests.support.frames import frame
from tests.support.peer import background, read_frame
from toolkit.errors import ConnectFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]
RESPONSE = 2
ROOT = Path(__file__).parents[2]
VSOCK_LOCAL = 1  # the context id of the machine itself, where the kernel has vsock_loopback


@pytest.fixture
def hypervisor(tmp_path: Path) -> Iterator[socket.socket]:
    """Where a hypervisor listens for connections to its guest."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "vm"))
        listener.listen()
        listener.settimeout(10)
        yield listener


def connecting(flavour: Flavour, hypervisor: socket.socket) -> tuple[Future[Any], socket.socket]:
    """A client that asks for port 1024, and the hypervisor's end after it has asked."""
    address = f"hvsock://{hypervisor.getsockname()}:1024"
    client: Future[Any] = background(flavour.connect, address, timeout=5)
    peer = hypervisor.accept()[0]
    peer.settimeout(10)
    assert peer.recv(100) == b"CONNECT 1024\n"
    return client, peer


def test_point_31_hvsock_leaves_what_follows_the_answer_to_the_guest(
    flavour: Flavour, hypervisor: socket.socket
) -> None:
    client, peer = connecting(flavour, hypervisor)
    with peer:
        # The guest's first bytes right behind the line: a frame for a call that is not made yet.
        peer.sendall(b"OK 5000\n" + frame(1, RESPONSE)[:4])
        with client.result(5) as channel:
            call = background(channel.call, UNARY, timeout=5)
            read_frame(peer)
            peer.sendall(frame(1, RESPONSE)[4:])
            call.result(5)


def test_point_31_hvsock_takes_an_answer_in_single_bytes(
    flavour: Flavour, hypervisor: socket.socket
) -> None:
    client, peer = connecting(flavour, hypervisor)
    with peer:
        for byte in b"OK 5000\n":
            peer.sendall(bytes((byte,)))
        client.result(5).close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "the hypervisor closed instead of answering CONNECT 1024"),
        (b"OK 50", "the hypervisor closed instead of answering CONNECT 1024"),
        (b"ERROR no such port\n", "the hypervisor answered b'ERROR no such port"),
        (b"x" * 300, "the hypervisor answered CONNECT 1024 with no line"),
    ],
    ids=["EOF", "EOF in the line", "refused", "no line"],
)
def test_point_31_hvsock_that_is_refused_says_why(
    flavour: Flavour, hypervisor: socket.socket, answer: bytes, reason: str
) -> None:
    client, peer = connecting(flavour, hypervisor)
    with peer:
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectFailed, match=reason):
            client.result(5)


def test_point_31_a_hypervisor_that_says_nothing_is_not_waited_for_longer(
    flavour: Flavour, hypervisor: socket.socket
) -> None:
    address = f"hvsock://{hypervisor.getsockname()}:1024"
    with pytest.raises(ConnectFailed, match=r"no answer within 0\.05 s"):
        flavour.connect(address, timeout=0.05)


def test_point_31_a_hypervisor_that_is_not_there_is_named(flavour: Flavour, tmp_path: Path) -> None:
    with pytest.raises(ConnectFailed, match=f"hvsock://{tmp_path}/vm:1024: there is no such file"):
        flavour.connect(f"hvsock://{tmp_path}/vm:1024")


def need_vsock_loopback() -> None:
    """Go on only where the kernel has vsock, and the module that loops it back."""
    if not hasattr(socket, "AF_VSOCK"):
        pytest.skip("this Python has no AF_VSOCK")
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as sock:
            sock.bind((VSOCK_LOCAL, socket.VMADDR_PORT_ANY))
    except OSError as exc:
        pytest.skip(f"this kernel has no vsock_loopback: {exc.strerror}")


def test_point_31_vsock_is_served_on_loopback(flavour: Flavour) -> None:
    need_vsock_loopback()
    address = f"vsock://{VSOCK_LOCAL}:{50_000 + hash(flavour.name) % 10_000}"
    with (
        flavour.serving(address, {ECHO: Echo()}) as (_, bound),
        flavour.connect(bound, timeout=5) as channel,
    ):
        assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"


@pytest.mark.skipif(not hasattr(socket, "AF_VSOCK"), reason="this Python has no AF_VSOCK")
def test_point_31_a_vsock_that_nobody_listens_on_is_named(flavour: Flavour) -> None:
    # Whatever the kernel says: it differs with its modules.
    with pytest.raises(ConnectFailed, match="cannot connect to vsock://1:1: "):
        flavour.connect("vsock://1:1", timeout=0.1)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_point_31_a_tcp_port_that_nobody_listens_on_is_named(flavour: Flavour, host: str) -> None:
    with pytest.raises(ConnectFailed, match="cannot connect to tcp://.*:1: "):
        flavour.connect(f"tcp://{host}:1", timeout=5)


def test_point_31_a_host_without_address_is_named(flavour: Flavour) -> None:
    with pytest.raises(ConnectFailed, match="no-such-host"):
        flavour.connect("tcp://no-such-host.invalid:1", timeout=5)


def test_point_31_the_two_ends_of_a_socket_pair_are_client_and_server(flavour: Flavour) -> None:
    ours, theirs = socket.socketpair()
    with (
        flavour.serving_on(theirs, {ECHO: Echo()}),
        flavour.connect(ours) as channel,
    ):
        assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"
        assert channel.address.startswith("fd://")


def test_point_31_a_connected_descriptor_is_a_channel(flavour: Flavour) -> None:
    ours, theirs = socket.socketpair()
    with (
        flavour.serving_on(theirs, {ECHO: Echo()}),
        flavour.connect(ours.detach()) as channel,
    ):
        assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"


@contextlib.contextmanager
def child_with_descriptor_3(flavour: Flavour, listener: socket.socket) -> Iterator[str]:
    """A server that has inherited its listening socket, as a shim from containerd; its address."""
    fd = listener.fileno()
    serve = f"exec {sys.executable} -m tests.support.serving {flavour.name} 3 3<&{fd}"
    with subprocess.Popen(
        ["bash", "-c", serve],
        cwd=ROOT,
        text=True,
        pass_fds=[fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            yield process.stdout.readline().strip()
            process.stdin.close()
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_point_31_a_server_listens_on_the_descriptor_3_that_it_inherits(
    flavour: Flavour, address: str
) -> None:
    path = Path(address.removeprefix("unix://"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with (
            child_with_descriptor_3(flavour, listener) as bound,
            flavour.connect(bound, timeout=5) as channel,
        ):
            assert bound == address
            assert channel.call(UNARY, {"text": "a"}, timeout=5).text == "a"
    assert path.exists()  # it is removed by whoever made it
