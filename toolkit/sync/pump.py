"""Moves bytes between a socket and a session, by whichever thread waits.

There is no reader thread: a lone caller that reads its own reply is twice as fast as one that is
woken by another thread. So whoever waits, for a reply or for room to write, takes the reading and
the writing that nobody else does, and hands them on when it leaves. Both ways, always: two peers
that each wait for room, and do not read meanwhile, wait for each other for good.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from toolkit.sockets import hung_up
from toolkit.sync.polling import GONE, SharedSocket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from toolkit.wire.connection import Connection

__all__ = ["Pump"]

# Seconds after which a thread that waits for another one looks for itself: that one may have been
# stopped by a signal handler that raises, just before it would have handed on.
_LOOK = 1.0


class Pump:
    """The threads of one connection, taking turns at its socket.

    ``lock`` guards the session, and everything here but the socket; it is never held across I/O.
    All methods want it held. It is reentrant for one reason: so that a thread can tell whether it
    has it, after a signal handler has raised.

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
        self.lock = threading.RLock()
        self._socket = SharedSocket(sock)
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
        """Whether the peer is certainly gone; one that only ended its sending may not be."""
        return self._closing or self._unwritable or hung_up(self._socket.socket)

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
        except BaseException as exc:
            self._abandon(exc)
            raise
        finally:
            if self._parked or self._polling:
                self._hand_on()

    def flush(self, deadline: float | None = None) -> bool:
        """Wait until everything is written; False as in ``wait``."""
        return self.wait(self._nothing_unsent, deadline, room=True)

    def push(self) -> None:
        """Write what goes without waiting; for the rest somebody has to ``flush``."""
        while self._outbox.size and not self._writing and not self._closing and self._write():
            pass

    def poll(self) -> None:
        """Take in what is there already, without waiting."""
        while not self._reading and not self._over and self._socket.readable(0.0):
            self._read_quietly(0.0)
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
        self._socket.shutdown()
        for key in list(self._parked):
            self.wake(key)
        self._socket.wake()
        self._close_if_done()

    def _step(self, deadline: float | None, key: object, *, room: bool) -> bool:
        """Do what nobody else does; False when nothing more can come."""
        unsent = self._outbox.size
        may_read = not self._reading and not self._over
        if self._max_unsent is not None:
            may_read = may_read and unsent < self._max_unsent
        may_write = bool(unsent) and not self._writing  # there was no room for it
        if may_read or may_write:
            self._poll(deadline, reads=may_read, writes=may_write)
        elif self._over and not self._writing:
            return False
        else:
            self._park(key if key is not None else object(), deadline, room=room)
        return True

    def _nothing_unsent(self) -> bool:
        return not self._outbox.size and not self._writing

    def _write(self) -> bool:
        """Write once without waiting; False when there is no room."""
        if self._unwritable:
            self._outbox.clear()
            return True
        chunk = self._outbox.chunk()
        sent = 0
        error: BaseException | None = None
        try:  # from here on: a signal handler may raise between any two steps
            self._writing = True
            self.lock.release()
            sent = self._socket.send(chunk)
        except BlockingIOError:
            pass
        except BaseException as exc:  # noqa: BLE001  # _fail raises it again
            error = exc
        error = self._relock() or error
        self._writing = False
        if self._closing:
            self._close_if_done()
        elif error is None or isinstance(error, OSError):
            self._outbox.sent(sent)
        # Else it is not known what was written: the calls in the chunk may have been sent.
        self._tell_of_room()
        if error is None:
            return sent > 0
        if isinstance(error, OSError) and error.errno in GONE:
            self._unwritable = True  # it may have said why before that
        else:
            self._fail(error)
        return True

    def _tell_of_room(self) -> None:
        """A write is over: those that wait for one look again, parked or in a poll."""
        if self._for_room:
            for key in list(self._for_room):
                self.wake(key)
        if self._polling:
            self._socket.wake()

    def _read_quietly(self, deadline: float | None) -> None:
        """Read once; until the deadline wait for something to read, in the kernel.

        Only while nothing is unsent and nobody writes. What other threads queue meanwhile they
        flush themselves, so nobody can come to need this thread before it has read.
        """
        data: bytes | None = None
        error: BaseException | None = None
        try:
            self._reading = True
            self.lock.release()
            data = self._socket.receive(self._reader.read_size, deadline)
        except BaseException as exc:  # noqa: BLE001  # _take raises it again
            error = exc
        error = self._relock() or error
        self._reading = False
        if self._closing:
            self._close_if_done()
        if data and error is None and not self._over:
            self._received(data)
        else:
            self._take(data, error)

    def _poll(self, deadline: float | None, *, reads: bool, writes: bool) -> None:
        """Wait for something to read, for room to write, or for the waker; then read."""
        data: bytes | None = None
        error: BaseException | None = None
        self._polling += 1
        try:
            self._reading |= reads
            self._writing |= writes
            self._socket.make_waker()
            self.lock.release()
            if self._socket.poll(reads=reads, writes=writes, deadline=deadline):
                data = self._socket.receive_now(self._reader.read_size)
        except BaseException as exc:  # noqa: BLE001  # _take raises it again
            error = exc
        error = self._relock() or error
        if reads:
            self._reading = False
        if writes:
            self._writing = False
        self._polling -= 1
        self._close_if_done()
        if writes:
            self._tell_of_room()
        self._take(data, error)

    def _relock(self) -> BaseException | None:
        """Take the lock again, whatever a signal handler raises; what it raised."""
        raised: BaseException | None = None
        while not self.lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001  # as Condition
            try:
                self.lock.acquire()
            except BaseException as exc:  # noqa: BLE001  # the caller raises it again
                raised = exc
        return raised

    def _take(self, data: bytes | None, error: BaseException | None) -> None:
        if error is not None:
            self._fail(error)
        elif data is not None and not self._over:
            self._over = not data
            self._received(data)

    def _fail(self, error: BaseException) -> None:
        """The connection ends: it is broken, or bytes may have got lost.

        A signal handler that raises may cost bytes that were read or written already.
        """
        if not self._over:
            self._over = True
            self._broken(error)
        if not isinstance(error, OSError):
            raise error

    def _abandon(self, error: BaseException) -> None:
        """A signal handler or a callback raised: nobody can tell what was left half done."""
        self._relock()
        if not self._over:
            self._over = True
            self._broken(error)
        self.close()

    def _park(self, key: object, deadline: float | None, *, room: bool = False) -> None:
        gate = threading.Lock()
        gate.acquire()
        self._parked.setdefault(key, []).append(gate)
        if room:
            self._for_room.add(key)
        try:
            self.lock.release()
            left = _LOOK if deadline is None else min(deadline - time.monotonic(), _LOOK)
            gate.acquire(timeout=max(left, 0.0))
        finally:
            raised = self._relock()
            self._unpark(key, gate)
            if raised is not None:
                raise raised

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
            self._socket.wake()

    def _close_if_done(self) -> None:
        # A file descriptor that another thread is using must not be closed: its number could
        # be another file's before that thread gets to the kernel.
        if self._closing and not self._reading and not self._writing and not self._polling:
            self._socket.close()
