"""One connection of a blocking server, and the threads that take turns at it.

The thread that reads a request runs its handler itself: handing it to another thread costs more
than most handlers do. A handler that takes longer than a moment keeps its thread, and the
monitor lets another one take over the reading, so no call waits for another one's handler.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import RemoteProtocolError
from toolkit.rpc.dispatch import ServerSession
from toolkit.rpc.failure import report
from toolkit.rpc.interceptors import Call, chain
from toolkit.schema.message import as_message
from toolkit.sockets import peer_of
from toolkit.sync.pump import Pump
from toolkit.sync.requests import Requests

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from toolkit.rpc.dispatch import IncomingCall
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.router import Router
    from toolkit.sync.monitor import Monitor
    from toolkit.wire.connection import Trace

__all__ = ["Serving"]

MAX_UNSENT = 8 << 20  # bytes of replies that a client has not read; then nothing more is taken
PUSH_SIZE = 1 << 16  # replies of one read go out together, but no more than this at a time
MAX_THREADS = 1024  # of one connection: containerd keeps one Wait open for each process
LINGER = 0.05  # seconds between two looks at a client that has closed its sending side


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
        self._session = ServerSession(router, peer_of(sock, address), time.monotonic, trace=trace)
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

    def take_over(self, seen: IncomingCall) -> None:
        """Give the connection to a new thread, if its owner still runs this call."""
        with self._pump.lock:
            if self.running is not seen or self._threads >= MAX_THREADS or self._pump.over:
                return
            self.running = None
            self._owner = me = object()
            self._threads += 1
        threading.Thread(target=self._serve, args=(me,), name="ttrpc-serve", daemon=True).start()

    def expire(self, now: float) -> float | None:
        """Answer the calls that are past their deadline; when the next one will be."""
        with self._pump.lock:
            if self._session.expire(now):
                self._pump.push()
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
                self._owner = None
            else:
                pump.flush()
                pump.wake(self)
                if self._finished:
                    pump.close()
            self._threads -= 1
            over = not self._threads
        if over and self._ended is not None:
            self._ended(self)

    @property
    def _finished(self) -> bool:
        return self._session.draining and not self.open_calls

    def _has_work(self) -> bool:
        return bool(self._ready) or self._finished

    def _answer(self, call: IncomingCall, me: object) -> None:
        """Run one handler. The lock is held before and after, not in between."""
        pump = self._pump
        self.running = call
        if not self.watched:
            self.watched = True
            self._monitor.watch(self)
        pump.lock.release()
        error: BaseException | None = None
        try:
            self._handle(call)
        except BaseException as exc:  # noqa: BLE001  # whatever it is, the client gets an answer
            if not call.stream.finished:
                report(call.route.method.path, exc)
            error = exc
        pump.lock.acquire()
        if self._owner is me:
            self.running = None
        if error is not None:
            self._session.fail(call, error)
        self._make_room()

    def _make_room(self) -> None:
        """Write what is unsent, once that is much; wait when it is too much."""
        pump = self._pump
        if pump.unsent >= PUSH_SIZE:
            pump.push()
            if pump.unsent >= MAX_UNSENT:
                pump.wait(self._has_room, room=True)

    def _has_room(self) -> bool:
        return self._pump.unsent < MAX_UNSENT

    def _handle(self, call: IncomingCall) -> None:
        """Run the handler and send what it gives. The lock is not held."""
        kind = call.route.method.kind
        request = Requests(self._pump, call) if kind.client_streaming else call.request()
        result = self._invoke(call, request)
        if kind.server_streaming:
            self._send_all(call, result)
        else:
            payload = call.encode(result)
            with self._pump.lock:
                self._session.reply(call, payload)

    def _invoke(self, call: IncomingCall, request: Any) -> Any:
        context = call.context
        if not self._interceptors:
            return call.route.handler(request, context)
        message = None if call.inbox is not None else request
        given = Call(context.method, message, context.metadata, context.deadline, context)
        return chain(self._interceptors, partial(_run_handler, call, request))(given)

    def _send_all(self, call: IncomingCall, messages: Iterable[Any]) -> None:
        pump = self._pump
        with contextlib.closing(_iterator(call, messages)) as iterator:
            for message in iterator:
                payload = call.encode(message)
                with pump.lock:
                    if call.stream.finished:
                        return
                    self._session.send(call, payload)
                    pump.push()
                    self._make_room()
        with pump.lock:
            self._session.end(call)

    def _received(self, data: bytes) -> None:
        if not data:
            if self._pump.hung_up:
                self._lost()
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


def _run_handler(call: IncomingCall, request: Any, given: Call) -> Any:
    """The end of the chain: what the interceptors made of a call reaches its handler."""
    context = call.context
    if given.metadata is not context.metadata:
        context.replace_metadata(given.metadata)
    result = call.route.handler(request if call.inbox is not None else given.message, context)
    if call.route.method.kind.server_streaming:
        return result
    return as_message(call.route.method.reply, result)  # interceptors get a message, always


def _iterator(call: IncomingCall, messages: Any) -> Any:
    """The generator that a handler returned, or an iterator over what else it returned."""
    if hasattr(messages, "close"):
        return messages
    if not isinstance(messages, Iterable):
        raise TypeError(
            f"the handler of {call.route.method.path} returned {type(messages).__name__};"
            " a streaming method yields its messages"
        )
    return (message for message in messages)
