"""Moves bytes between a socket and a session, by whichever thread waits.

There is no reader thread: a lone caller that reads its own reply is twice as fast as one that is
woken by another thread. So whoever waits, for a reply or for room to write, takes the reading and
the writing that nobody else does, and hands them on when it leaves. Both ways, always: two peers
that each wait for room, and do not read meanwhile, wait for each other for good.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from toolkit.sockets import hung_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.wire.connection import Connection

__all__ = ["Pump"]

_NOW = socket.MSG_DONTWAIT
_TIMEVAL = struct.Struct("@ll")
_SLACK = 0.001  # seconds that a read may last past its deadline; less than a tick of most kernels
_SEND = _NOW | getattr(socket, "MSG_NOSIGNAL", 0)


class Pump:
    """The threads of one connection, taking turns at its socket.

    ``lock`` guards the session, and everything here but the socket; it is never held across I/O.
    All methods but ``close_socket`` want it held.

    Args:
        sock: a connected stream socket; the pump closes it.
        wire: what its bytes go to and come from.
        received: gets the bytes that came, ``b""`` at the end; the lock is held.
        broken: gets the error that ended the connection; the lock is held.
        max_unsent: bytes in the outbox from which nothing more is read; None is never. A server
            whose client does not read its replies stops taking calls.
    """

    def __init__(
        self,
        sock: socket.socket,
        wire: Connection,
        *,
        received: Callable[[bytes], None],
        broken: Callable[[BaseException], None],
        max_unsent: int | None = None,
    ) -> None:
        sock.settimeout(None)  # reads without a deadline block in the kernel: one call, not two
        self.lock = threading.Lock()
        self._socket = sock
        self._reader = wire.reader
        self._outbox = wire.outbox
        self._received = received
        self._broken = broken
        self._max_unsent = max_unsent
        self._reading = False  # somebody is at it
        self._writing = False
        self._unwritable = False  # the peer takes no more; what it sent before is still read
        self._over = False  # nothing more comes
        self._closing = False
        self._parked: dict[object, list[threading.Lock]] = {}  # who waits for others, by key
        self._for_room: set[object] = set()  # keys of those that wait for writes
        self._polling = 0  # threads in a poll that the waker ends
        self._waker: tuple[socket.socket, socket.socket] | None = None
        self._read_limit = 0.0  # seconds that a read may wait in the kernel; 0 is no limit

    @property
    def unsent(self) -> int:
        """Bytes that wait to be written."""
        return self._outbox.size

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._over

    @property
    def hung_up(self) -> bool:
        """Whether the peer has closed both directions, as far as the kernel can tell."""
        if self._closing or self._unwritable:
            return True
        return hung_up(self._socket)

    def wait(
        self,
        ready: Callable[[], bool],
        deadline: float | None = None,
        key: object = None,
        *,
        room: bool = False,
    ) -> bool:
        """Pump until ``ready()``; False when the deadline passed or the connection ended first.

        ``key`` names the waiting thread to ``wake``; ``room`` says that a write may make it ready.
        """
        outbox = self._outbox
        try:
            while not ready():
                if outbox.size and not self._writing and self._write():
                    continue
                if self._closing or (deadline is not None and time.monotonic() >= deadline):
                    return False
                if not (outbox.size or self._writing or self._reading or self._over):
                    self._read_quietly(deadline)  # the lone caller's way
                elif not self._step(deadline, key, room=room):
                    return False
            return True
        finally:
            if self._parked or self._polling:
                self._hand_on()

    def _step(self, deadline: float | None, key: object, *, room: bool) -> bool:
        """Do what nobody else does; False when nothing more can come."""
        may_read = not self._reading and not self._over
        unsent = self._outbox.size
        if may_read and self._max_unsent is not None:
            may_read = unsent < self._max_unsent
        if self._writing:
            if may_read:
                self._read(deadline)
            else:
                self._park(key if key is not None else object(), deadline, room=room)
        elif unsent:
            self._poll_both(deadline, reads=may_read)
        elif self._over:
            return False
        else:
            self._park(key if key is not None else object(), deadline, room=room)
        return True

    def flush(self, deadline: float | None = None) -> bool:
        """Wait until everything is written; False as in ``wait``."""
        return self.wait(self._nothing_unsent, deadline, room=True)

    def push(self) -> None:
        """Write what goes without waiting."""
        while self._outbox.size and not self._writing and not self._closing and self._write():
            pass

    def poll(self) -> None:
        """Take in what is there already, without waiting."""
        while not self._reading and not self._over and self._readable():
            self._read(0.0)
        self._hand_on()

    def pause(self, seconds: float, key: object = None) -> None:
        """Wait for other threads to do something, or for this long."""
        self._park(key if key is not None else object(), time.monotonic() + seconds)

    def wake(self, key: object) -> None:
        """There is news for this waiting thread."""
        if self._parked:
            for gate in self._parked.pop(key, ()):
                gate.release()

    def close(self) -> None:
        """End the connection: nothing more is read or written, every waiting thread returns."""
        self._over = self._closing = True
        self._outbox.clear()
        with contextlib.suppress(OSError):  # the peer may have gone first
            self._socket.shutdown(socket.SHUT_RDWR)  # ends another thread's recv
        for key in list(self._parked):
            self.wake(key)
        self._wake_polls()
        self._close_if_done()

    def _nothing_unsent(self) -> bool:
        return not self._outbox.size and not self._writing

    def _write(self) -> bool:
        """Write once without waiting; False when there is no room."""
        if self._unwritable:
            self._outbox.clear()
            return True
        chunk = self._outbox.chunk()
        sent = -1  # as long as it is not known: the peer may have half a frame
        self._writing = True
        self.lock.release()
        try:
            sent = self._socket.send(chunk, _SEND)
        except BlockingIOError:
            sent = 0
        except OSError:
            pass  # the peer has gone; what it said before that is still to be read
        finally:
            self.lock.acquire()
            self._writing = False
            self._unwritable = sent < 0
            if self._closing:
                self._close_if_done()
        if sent > 0 and not self._closing:
            self._outbox.sent(sent)
        if self._for_room:
            for key in list(self._for_room):
                self.wake(key)
        return sent != 0

    def _read_quietly(self, deadline: float | None) -> None:
        """Read once; until the deadline wait for something to read, in the kernel.

        Only while nothing is unsent: then nobody can come to need this thread to write before it
        has read, and it needs no eye on the waker.
        """
        if deadline is not None or self._read_limit:
            self._limit_reads(deadline)
        data: bytes | None = None
        error: BaseException | None = None
        self._reading = True
        self.lock.release()
        try:
            data = self._socket.recv(self._reader.read_size)
        except BlockingIOError:
            pass  # the deadline passed
        except BaseException as exc:  # noqa: BLE001  # _take raises it again
            error = exc
        finally:
            self.lock.acquire()
            self._reading = False
            if self._closing:
                self._close_if_done()
        if data and not self._over:
            self._received(data)
        else:
            self._take(data, error)

    def _limit_reads(self, deadline: float | None) -> None:
        """Have the kernel end a read when the deadline passes.

        SO_RCVTIMEO is for reads alone, where a socket's timeout in Python is for writes too. It
        is left as it is where it fits: calls with the same timeout then need one system call
        fewer than with poll.
        """
        limit = self._read_limit
        if deadline is None:
            if limit:
                self._set_read_limit(0.0)
            return
        left = deadline - time.monotonic()
        if not limit or not left * 0.9 <= limit <= left + _SLACK:
            self._set_read_limit(max(left, 0.0001))

    def _set_read_limit(self, seconds: float) -> None:
        self._read_limit = seconds = min(seconds, 1e6)
        whole = int(seconds)
        timeval = _TIMEVAL.pack(whole, int((seconds - whole) * 1e6))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)

    def _read(self, deadline: float | None) -> None:
        """Read once; until the deadline wait for something to read, or for the waker."""
        self._begin(reads=True)
        data: bytes | None = None
        error: BaseException | None = None
        try:
            if self._poll_with_waker(select.POLLIN, deadline):
                data = self._socket.recv(self._reader.read_size, _NOW)
        except BlockingIOError:
            pass
        except BaseException as exc:  # noqa: BLE001  # _take raises it again
            error = exc
        finally:
            self._end(reads=True)
        self._take(data, error)

    def _poll_both(self, deadline: float | None, *, reads: bool) -> None:
        """There is no room to write: wait for it, and for something to read."""
        events = select.POLLOUT | (select.POLLIN if reads else 0)
        self._writing = True
        self._begin(reads=reads)
        data: bytes | None = None
        error: BaseException | None = None
        try:
            if self._poll_with_waker(events, deadline) & ~select.POLLOUT and reads:
                data = self._socket.recv(self._reader.read_size, _NOW)
        except BlockingIOError:
            pass
        except BaseException as exc:  # noqa: BLE001  # _take raises it again
            error = exc
        finally:
            self._end(reads=reads)
            self._writing = False
            self._close_if_done()
        self._take(data, error)

    def _begin(self, *, reads: bool) -> None:
        self._reading |= reads
        self._polling += 1
        self._make_waker()
        self.lock.release()

    def _end(self, *, reads: bool) -> None:
        self.lock.acquire()
        if reads:
            self._reading = False
        self._polling -= 1
        self._close_if_done()

    def _take(self, data: bytes | None, error: BaseException | None) -> None:
        if not self._over:
            if error is not None:
                # A signal handler that raises may have cost us bytes that were read already.
                self._over = True
                self._broken(error)
            elif data is not None:
                self._over = not data
                self._received(data)
        if error is not None and not isinstance(error, OSError):
            raise error

    def _readable(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def _poll_with_waker(self, events: int, deadline: float | None) -> int:
        """What happened on the socket; 0 when only the waker or the clock did."""
        assert self._waker is not None
        waker = self._waker[0]
        poll = select.poll()
        poll.register(self._socket, events)
        poll.register(waker, select.POLLIN)
        happened = dict(poll.poll(_milliseconds(deadline)))
        if happened.pop(waker.fileno(), 0):
            with contextlib.suppress(BlockingIOError):
                waker.recv(64)
        return next(iter(happened.values()), 0)

    def _park(self, key: object, deadline: float | None, *, room: bool = False) -> None:
        gate = threading.Lock()
        gate.acquire()
        self._parked.setdefault(key, []).append(gate)
        if room:
            self._for_room.add(key)
        self.lock.release()
        try:
            if deadline is None:
                gate.acquire()
            else:
                gate.acquire(timeout=max(deadline - time.monotonic(), 0.0))
        finally:
            self.lock.acquire()
            self._unpark(key, gate)

    def _unpark(self, key: object, gate: threading.Lock) -> None:
        gates = self._parked.get(key)
        if gates is not None and gate in gates:
            gates.remove(gate)
            if not gates:
                del self._parked[key]
        if key not in self._parked:
            self._for_room.discard(key)

    def _hand_on(self) -> None:
        """Leave: somebody else has to do what this thread did."""
        if self._parked:
            if not self._reading or (self._outbox.size and not self._writing):
                self.wake(next(iter(self._parked)))
        elif self._polling:
            self._wake_polls()

    def _make_waker(self) -> None:
        if self._waker is None:
            self._waker = socket.socketpair()
            for end in self._waker:
                end.settimeout(0)

    def _wake_polls(self) -> None:
        if self._polling and self._waker is not None:
            with contextlib.suppress(BlockingIOError):  # full: it wakes them all the same
                self._waker[1].send(b"\0")

    def _close_if_done(self) -> None:
        # A file descriptor that another thread is using must not be closed: its number could
        # be another file's before that thread gets to the kernel.
        if self._closing and not self._reading and not self._writing and not self._polling:
            self._socket.close()
            if self._waker is not None:
                for end in self._waker:
                    end.close()
                self._waker = None


def _milliseconds(deadline: float | None) -> int | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    # Rounded up: a poll that ends too soon is followed by another one, of no time at all.
    return min(int(left * 1000) + 1, 1 << 30) if left > 0 else 0
