"""The system calls of one socket that several threads take turns at."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import threading
import time

__all__ = ["GONE", "SharedSocket", "milliseconds"]

GONE = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN)  # the peer takes no more

_NOW = socket.MSG_DONTWAIT
_SEND = _NOW | getattr(socket, "MSG_NOSIGNAL", 0)
_TIMEVAL = struct.Struct("@ll")
_BLIND = 5  # milliseconds between two looks of a thread that nobody can wake
_SLACK = 0.001  # seconds that a read may last past its deadline; less than a tick of most kernels


def milliseconds(deadline: float | None) -> int | None:
    """What is left, for ``poll``; None is without end."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    # Rounded up: a poll that ends too soon is followed by another one, of no time at all.
    return min(int(left * 1000) + 1, 1 << 30) if left > 0 else 0


class SharedSocket:
    """A stream socket: one thread may be in a read and one in a write of it at a time.

    Nothing here is locked; ``wake`` may be called by any thread.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(None)  # reads without a deadline block in the kernel: one call, not two
        self._socket = sock
        self._pid = os.getpid()
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._read_limit = 0.0  # seconds that a read may wait in the kernel; 0 is no limit
        self._main = threading.main_thread().ident

    @property
    def socket(self) -> socket.socket:
        """The socket itself."""
        return self._socket

    def send(self, data: bytes | memoryview) -> int:
        """Write what there is room for.

        Raises:
            BlockingIOError: there is none.
            OSError: the connection is broken.
        """
        return self._socket.send(data, _SEND)

    def receive(self, size: int, deadline: float | None) -> bytes | None:
        """Read, and until the deadline wait for something to read; None when it passed.

        The thread is in the kernel meanwhile, where nothing but the peer, the deadline and
        ``shutdown`` reach it.
        """
        if deadline is None:
            if self._read_limit:
                self._set_read_limit(0.0)
        elif threading.get_ident() == self._main:
            # A signal handler that returns restarts a read with the whole of its limit; poll
            # goes on with what is left (PEP 475). Python runs handlers in the main thread only.
            return self.receive_now(size) if self.readable(deadline) else None
        else:
            self._limit_reads(deadline)
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            return None

    def receive_now(self, size: int) -> bytes | None:
        """Read what is there; None when there is nothing."""
        try:
            return self._socket.recv(size, _NOW)
        except BlockingIOError:
            return None

    def readable(self, deadline: float | None) -> bool:
        """Wait until there is something to read, or the deadline."""
        return bool(self._readable.poll(milliseconds(deadline)))

    def poll(self, *, reads: bool, writes: bool, deadline: float | None) -> bool:
        """Wait for the socket, for ``wake`` or for the deadline; whether a read would work."""
        events = (select.POLLIN if reads else 0) | (select.POLLOUT if writes else 0)
        poll = select.poll()
        poll.register(self._socket, events)
        limit = milliseconds(deadline)
        if self._waker is None:
            happened = dict(poll.poll(_BLIND if limit is None else min(limit, _BLIND)))
        else:
            waker = self._waker[0]
            poll.register(waker, select.POLLIN)
            happened = dict(poll.poll(limit))
            if happened.pop(waker.fileno(), 0):
                with contextlib.suppress(BlockingIOError):
                    waker.recv(64)
        return reads and bool(next(iter(happened.values()), 0) & ~select.POLLOUT)

    def make_waker(self) -> None:
        """From now on ``wake`` ends a ``poll``."""
        if self._waker is None:
            with contextlib.suppress(OSError):  # out of file descriptors: it goes without
                self._waker = socket.socketpair()
                for end in self._waker:
                    end.settimeout(0)

    def wake(self) -> None:
        """End the polls of other threads."""
        if self._waker is not None:
            with contextlib.suppress(BlockingIOError):  # full: it wakes them all the same
                self._waker[1].send(b"\0")

    def shutdown(self) -> None:
        """End the reads of other threads, and the connection.

        Not in a child process: there the connection is still the parent's.
        """
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):  # the peer may have gone first
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the file descriptors; no thread may be in any of these methods."""
        self._socket.close()
        if self._waker is not None:
            for end in self._waker:
                end.close()
            self._waker = None

    def _limit_reads(self, deadline: float) -> None:
        """Have the kernel end a read when the deadline passes.

        SO_RCVTIMEO is for reads alone, where a socket's timeout in Python is for writes too. It
        is left as it is where it fits: calls with the same timeout then need one system call
        fewer than with poll.
        """
        left = deadline - time.monotonic()
        if not self._read_limit or not left * 0.9 <= self._read_limit <= left + _SLACK:
            self._set_read_limit(max(left, 0.0001))

    def _set_read_limit(self, seconds: float) -> None:
        self._read_limit = seconds = min(seconds, 1e6)
        whole = int(seconds)
        timeval = _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
