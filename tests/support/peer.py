"""A scripted peer: the other end of a socket, frame by frame."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from toolkit.wire.frame import HEADER, HEADER_SIZE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["background", "read_frame", "read_to_end"]

T = TypeVar("T")


def background(function: Callable[..., T], *args: Any, **kwargs: Any) -> Future[T]:
    """Run this in a thread; its result is waited for."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as exc:
            future.set_exception(exc)

    threading.Thread(target=run, daemon=True).start()
    return future


def read_frame(sock: socket.socket) -> tuple[int, int, int, bytes]:
    """One whole frame: stream id, type, flags, data."""
    header = _read_exactly(sock, HEADER_SIZE)
    length, stream_id, message_type, flags = HEADER.unpack(header)
    return stream_id, message_type, flags, _read_exactly(sock, length)


def read_to_end(sock: socket.socket) -> bytes:
    """Everything until the other end closes."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def _read_exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            raise EOFError(f"{len(data)} of {size} bytes, then the end")
        data += chunk
    return data
