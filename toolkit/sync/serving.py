"""One connection of a blocking server, and the threads that take turns at it.

The thread that reads a request runs its handler itself: handing it to another thread costs more
than most handlers do. A handler that takes longer than a moment keeps its thread, and the
monitor lets another one take over the reading, so no call waits for another one's handler.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from toolkit.errors import RemoteProtocolError, RpcError
from toolkit.rpc.dispatch import ServerSession
from toolkit.rpc.failure import report
from toolkit.sockets import peer_of
from toolkit.status import Code
from toolkit.sync.handling import handle
from toolkit.sync.pump import Pump

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.rpc.dispatch import IncomingCall
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.router import Router
    from toolkit.sync.monitor import Monitor
    from toolkit.wire.connection import Trace

__all__ = ["Serving"]

logger = logging.getLogger(__name__)

MAX_UNSENT = 8 << 20  # bytes of replies that a client has not read; then nothing more is taken
PUSH_SIZE = 1 << 16  # replies of one read go out together, but no more than this at a time
LINGER = 0.05  # seconds between two looks at a client that has closed its sending side


_here = threading.local()  # which connection's handler the current thread runs


class Serving:
    """One connection.

    Args:
        sock: connected; it is closed at the end.
        address: of the listener, for the peer that handlers see.
        ended: called once, with this, when the connection is over.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        router: Router,
        monitor: Monitor,
        *,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
        ended: Callable[[Serving], None] | None = None,
    ) -> None:
        self.peer = peer_of(sock, address)
        self._local = sock.family == socket.AF_UNIX
        self._session = ServerSession(router, self.peer, time.monotonic, trace=trace)
        self._pump = Pump(
            sock,
            self._session.wire,
            received=self._received,
            broken=self._broken,
            max_unsent=MAX_UNSENT,
        )
        self._monitor = monitor
        self._interceptors = interceptors
        self._ended = ended
        self._ready: deque[IncomingCall] = deque()  # to be run
        self._owner: object = None  # the thread that reads, or runs what it has read
        self._threads = 0
        self.running: IncomingCall | None = None  # what the owner runs
        self.watched = False  # the monitor looks at it

    @property
    def open_calls(self) -> int:
        """Calls that are not answered yet."""
        return len(self._session.wire.streams)

    def run(self) -> None:
        """Serve with this thread until the connection ends or another thread has taken over."""
        me = object()
        with self._pump.lock:
            self._owner = me
            self._threads += 1
        self._serve(me)

    @staticmethod
    def current() -> Serving | None:
        """The connection whose handler calls this; None outside of handlers."""
        return getattr(_here, "serving", None)

    def take_over(self, seen: IncomingCall) -> None:
        """Give the connection to a new thread, if its owner still runs this call.

        There are at most as many threads as open calls, which the wire limits.
        """
        with self._pump.lock:
            if self.running is not seen or self._pump.over:
                return
            me = object()
            if not self._start(self._serve, me):
                return  # the owner keeps it; the monitor tries again
            self.running = None
            self._owner = me
            self._threads += 1

    def expire(self, now: float) -> float | None:
        """Answer the calls that are past their deadline; when the next one will be."""
        with self._pump.lock:
            if self._session.expire(now):
                self._pump.push()
                if self._pump.unsent:  # the client does not read; the monitor cannot wait for it
                    self._start(self._flush)
            return self._session.next_deadline

    def unwatch(self) -> bool:
        """The monitor stops looking until the next handler, unless one is running already."""
        with self._pump.lock:
            self.watched = self.running is not None
            return not self.watched

    def drain(self) -> None:
        """Take no more calls; the connection ends when those that are open are answered."""
        with self._pump.lock:
            self._session.draining = True
            self._pump.wake(self)
            # What is unsent has a thread at it, which closes when it is done.
            if self._finished and not self._pump.unsent:
                self._pump.close()

    def close(self) -> int:
        """End the connection now; how many calls that cuts."""
        with self._pump.lock:
            cut = len(self._session.close())
            self._ready.clear()
            self._pump.close()
            return cut

    def _serve(self, me: object) -> None:
        pump = self._pump
        try:
            with pump.lock:
                pump.push()  # replies of the thread before
                while self._owner is me:
                    if self._ready:
                        self._answer(self._ready.popleft(), me)
                    elif self._finished or not pump.wait(self._has_work, None, self):
                        break
                if self._owner is me:
                    self._linger()
                    pump.close()
                else:
                    pump.flush()
                    pump.wake(self)
                    if self._finished:
                        pump.close()
        except BaseException:
            # Ours, or a trace's, or a signal handler's: nobody else would serve the connection.
            self.close()
            if threading.current_thread() is threading.main_thread():
                raise
            logger.exception("serving %s failed: the connection is closed", self.peer.address)
        finally:
            self._leave(me)

    def _leave(self, me: object) -> None:
        with self._pump.lock:
            if self._owner is me:
                self._owner = None
            self._threads -= 1
            over = not self._threads
        if over and self._ended is not None:
            self._ended(self)

    def _flush(self) -> None:
        with self._pump.lock:
            self._pump.flush()

    def _start(self, target: Callable[..., None], *args: object) -> bool:
        """Start a thread; False when the system has no more."""
        try:
            threading.Thread(target=target, args=args, name="ttrpc-serve", daemon=True).start()
        except RuntimeError as exc:
            logger.warning("a connection of %s gets no thread: %s", self.peer.address, exc)
            return False
        return True

    @property
    def _finished(self) -> bool:
        return self._session.draining and not self.open_calls

    def _has_work(self) -> bool:
        return bool(self._ready) or self._finished

    def _answer(self, call: IncomingCall, me: object) -> None:
        """Run one handler. The lock is held before and after, not in between."""
        pump = self._pump
        if not self._session.begin(call):
            return
        self.running = call
        if not self.watched:
            self.watched = True
            self._monitor.watch(self)
        pump.lock.release()
        error: BaseException | None = None
        before, _here.serving = getattr(_here, "serving", None), self
        try:
            handle(call, self._session, pump, self._interceptors)
        except BaseException as exc:  # noqa: BLE001  # whatever it is, the client gets an answer
            if not call.stream.finished:
                report(call.route.method.path, exc)
            error = exc
        finally:
            _here.serving = before
            pump.lock.acquire()
        if self._owner is me:
            self.running = None
        if error is not None:
            self._fail(call, error)
        self._make_room()

    def _fail(self, call: IncomingCall, error: BaseException) -> None:
        try:
            self._session.fail(call, error)
        except Exception:
            logger.exception("%r cannot be sent as a status", error)
            self._session.fail(call, RpcError(Code.INTERNAL, type(error).__name__))

    def _make_room(self) -> None:
        """Write what is unsent, once that is much; wait when it is too much."""
        pump = self._pump
        if pump.unsent >= PUSH_SIZE:
            pump.push()
            if pump.unsent >= MAX_UNSENT:
                pump.wait(self._has_room, room=True)

    def _has_room(self) -> bool:
        return self._pump.unsent < MAX_UNSENT

    def _received(self, data: bytes) -> None:
        if not data:
            self._client_is_done()
            return
        try:
            new, news = self._session.receive(data)
        except RemoteProtocolError:
            self._lost()
            self._pump.close()
            return
        self._ready += new
        for call in news:
            self._pump.wake(call)
        if new:
            self._pump.wake(self)

    def _client_is_done(self) -> None:
        """The client sends no more; whether it still reads cannot always be told."""
        if self._pump.hung_up:
            self._lost()
            return
        # A unix socket tells when the client is gone. Elsewhere a client that is gone looks like
        # one that waits for its replies, so handlers are told to stop, and may still answer.
        news = self._session.half_close() if self._local else self._session.cancel_all()
        for call in news:
            self._pump.wake(call)

    def _broken(self, _: BaseException) -> None:
        self._lost()

    def _lost(self) -> None:
        for call in self._session.close():
            self._pump.wake(call)
        self._ready.clear()

    def _linger(self) -> None:
        """The client sends no more, but may still read: let its calls be answered."""
        pump = self._pump
        while self.open_calls and not self._session.closed:
            if pump.hung_up:
                self._lost()
            else:
                pump.pause(LINGER, self)
        pump.flush()
