"""Connecting, the blocking way."""

from __future__ import annotations

import errno
import socket
import time

from toolkit.rpc.address import parse
from toolkit.sockets import (
    AddressLike,
    adopt_socket,
    connect_failed,
    hvsock_answer,
    hvsock_request,
    socket_targets,
)

__all__ = ["connect_socket"]

_RETRY = 0.005  # seconds between two tries at a unix socket whose backlog is full


def connect_socket(address: AddressLike, timeout: float | None = None) -> tuple[socket.socket, str]:
    """A connected socket, and the address as text; ``timeout`` is in seconds.

    Raises:
        AddressError: the text is no address.
        ConnectFailed: nobody answers there, or not in time.
    """
    if isinstance(address, socket.socket):
        return address, f"fd://{address.fileno()}"
    if isinstance(address, int):
        return adopt_socket(address), f"fd://{address}"
    parsed = parse(address)
    deadline = None if timeout is None else time.monotonic() + timeout
    failure: OSError | None = None
    for family, target in socket_targets(parsed):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            _connect(sock, target, deadline)
            if parsed.scheme == "hvsock":
                _hvsock_handshake(sock, parsed.port, deadline)
        except OSError as exc:
            sock.close()
            failure = exc
        except BaseException:
            sock.close()
            raise
        else:
            sock.settimeout(None)
            return sock, str(parsed)
    assert failure is not None
    raise connect_failed(parsed, failure, timeout) from failure


def _connect(sock: socket.socket, target: object, deadline: float | None) -> None:
    while True:
        if deadline is not None:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            sock.connect(target)  # type: ignore[arg-type]  # each family has a form of its own
            break
        except BlockingIOError:
            # A unix socket whose backlog is full: connect(2) does not wait where there is a
            # timeout, nor can it be polled for.
            assert deadline is not None
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_RETRY)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _hvsock_handshake(sock: socket.socket, port: int, deadline: float | None) -> None:
    sock.sendall(hvsock_request(port))
    line = b""
    while not hvsock_answer(line, port):
        if deadline is not None:
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
        byte = sock.recv(1)  # no more: what follows the line is the guest's
        if not byte:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"the hypervisor closed instead of answering CONNECT {port}"
            )
        line += byte
