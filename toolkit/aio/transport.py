"""Connecting, without blocking the loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import TYPE_CHECKING

from toolkit.rpc.address import parse
from toolkit.sockets import (
    adopt_socket,
    connect_failed,
    hvsock_answer,
    hvsock_request,
    socket_targets,
)

if TYPE_CHECKING:
    from toolkit.rpc.address import Address
    from toolkit.sockets import AddressLike

__all__ = ["connect_socket"]

_RETRY = 0.005  # seconds between two tries at a unix socket whose backlog is full


async def connect_socket(
    address: AddressLike, timeout: float | None = None
) -> tuple[socket.socket, str]:
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
    failure: OSError | None = None
    try:
        async with asyncio.timeout(timeout):
            # Names are looked up while the loop waits; for anything but TCP there is none.
            for family, target in socket_targets(parsed):
                sock = socket.socket(family, socket.SOCK_STREAM)
                try:
                    sock.settimeout(0)
                    await _connect(sock, target, parsed)
                except OSError as exc:
                    sock.close()
                    failure = exc
                except BaseException:
                    sock.close()
                    raise
                else:
                    return sock, str(parsed)
    except TimeoutError as exc:
        failure = exc
    assert failure is not None
    raise connect_failed(parsed, failure, timeout) from failure


async def _connect(sock: socket.socket, target: object, address: Address) -> None:
    if sock.family == socket.AF_UNIX:
        await _connect_unix(sock, target)
    else:
        await _connect_polling(sock, target)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if address.scheme == "hvsock":
        await _hvsock_handshake(sock, address.port)


async def _connect_unix(sock: socket.socket, target: object) -> None:
    # connect(2) of a unix socket is done at once, or says EAGAIN when the backlog is full, and
    # that cannot be polled for.
    while True:
        try:
            sock.connect(target)  # type: ignore[arg-type]  # each family has a form of its own
        except BlockingIOError:
            await asyncio.sleep(_RETRY)
        else:
            return


async def _connect_polling(sock: socket.socket, target: object) -> None:
    # Not loop.sock_connect: uvloop's looks up the host, and a vsock has none.
    loop = asyncio.get_running_loop()
    code = sock.connect_ex(target)  # type: ignore[arg-type]  # each family has a form of its own
    if code == errno.EINPROGRESS:
        writable = loop.create_future()
        loop.add_writer(sock, _done, writable)
        try:
            await writable
        finally:
            loop.remove_writer(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _hvsock_handshake(sock: socket.socket, port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, hvsock_request(port))
    line = b""
    while not hvsock_answer(line, port):
        byte = await loop.sock_recv(sock, 1)  # no more: what follows the line is the guest's
        if not byte:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"the hypervisor closed instead of answering CONNECT {port}"
            )
        line += byte
