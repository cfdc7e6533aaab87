"""A blocking server: a thread for each connection, more only for handlers that take long."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, overload

from toolkit.errors import LocalProtocolError
from toolkit.rpc.router import Router
from toolkit.sockets.listening import OUT_OF_FILES, listen_socket
from toolkit.sync.monitor import Monitor
from toolkit.sync.serving import Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from toolkit.rpc.context import Peer
    from toolkit.rpc.credentials import Authorize
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.router import SyncImplementation
    from toolkit.schema.method import Service
    from toolkit.sockets import AddressLike
    from toolkit.sockets.listening import Bound
    from toolkit.wire.connection import Trace

__all__ = ["Listener", "Server"]

logger = logging.getLogger(__name__)

# Go's server waits 1 ms, and twice as long each time up to 1 s, when accept fails for want of
# file descriptors; a loop that does not wait takes the processor that could free some.
_FIRST_WAIT, _LONGEST_WAIT = 0.001, 1.0


class Listener:
    """An address that a server listens on; leaving its block shuts the server down.

    Attributes:
        address: where clients connect to, with the real port of a ``tcp://host:0``.
    """

    def __init__(self, server: Server, bound: Bound) -> None:
        self.address = bound.address
        self._server = server
        self._bound = bound
        self._socket = bound.sock

    def close(self) -> None:
        """Stop listening, and remove the socket file."""
        self._bound.unlink()
        self._socket.close()

    def fileno(self) -> int:
        """The listening socket's file descriptor."""
        return self._socket.fileno()

    def accept(self) -> socket.socket:
        """One connection, as a socket."""
        return self._socket.accept()[0]

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown(5)

    def __repr__(self) -> str:
        return f"<Listener {self.address}>"


class Server:
    """Answers calls with the methods of your objects.

    ::

        server = Server()
        server.add(schema.service("containerd.task.v3.Task"), MyTask())
        with server.listen("unix:///tmp/task.sock"):
            server.serve_forever()

    A handler is ``def State(self, request, context)``, and returns a message, a mapping of its
    fields, or None for an empty one. Where the client streams, ``requests`` comes in place of the
    request, to iterate over; where the server streams, the handler yields. It fails by raising
    ``RpcError``; any other exception is logged, and the client gets UNKNOWN with its text.

    Args:
        interceptors: around every call, the first one outermost.
        trace: as for ``connect``.
        authorize: is given the ``Peer`` of a new connection, and says whether it is served; one
            that is not is closed before anything is read. ``toolkit.rpc.credentials`` has ready
            ones: ``same_user()``, ``root()``. It may take its time: others are served meanwhile.
    """

    def __init__(
        self,
        *,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
        authorize: Authorize | None = None,
    ) -> None:
        self._router = Router()
        self._interceptors = tuple(interceptors)
        self._trace = trace
        self._authorize = authorize
        self._monitor = Monitor()
        self._changed = threading.Condition()  # guards what follows
        self._listeners: list[Listener] = []
        self._connections: set[Serving] = set()
        self._stopping = False
        self._waker: socket.socket | None = None  # ends the poll of serve_forever

    @property
    def services(self) -> list[Service]:
        """What is served, by name."""
        return [service for _, service in sorted(self._router.services.items())]

    @overload
    def add(self, service: Service, implementation: object, /) -> None: ...
    @overload
    def add(self, implementation: SyncImplementation, /) -> None: ...
    def add(self, service: Any, implementation: object = None, /) -> None:
        """Answer a service with the methods of an object that are named as its RPCs.

        An object of a class that is derived from a generated one goes alone: ``add(MyTask())``.

        Raises:
            SchemaError: the service is there already, or the object has none of its methods.
            TypeError: the object is alone, and its class does not say which service it is for, or
                it is for the other flavour.
        """
        self._router.add(service, implementation)

    def on_add(self, check: Callable[[Service], object]) -> None:
        """Have this called with each service before it is added; by raising it refuses one."""
        self._router.checks.append(check)

    def listen(self, address: AddressLike, *, mode: int = 0o600) -> Listener:
        """Listen at an address; calls are answered once ``serve_forever`` runs.

        A socket file that nobody listens on is replaced, a live one is not; ``mode`` is the file
        mode of a new one.

        Raises:
            AddressError: the text is no address that a server can listen on.
            OSError: the address is taken, or this user may not.
        """
        bound = listen_socket(address, mode=mode)
        bound.sock.settimeout(0)
        listener = Listener(self, bound)
        with self._changed:
            stopping = self._stopping
            if not stopping:
                self._listeners.append(listener)
        if stopping:
            listener.close()
            raise LocalProtocolError("the server has been shut down; make a new one")
        self._wake()
        return listener

    def serve_forever(self) -> None:
        """Accept connections until ``shutdown`` or ``close``, from any thread or handler."""
        waker, self._waker = socket.socketpair()
        self._waker.settimeout(0)
        wait = _FIRST_WAIT
        with waker, self._waker:
            while listeners := self._live_listeners():
                for listener in _ready(listeners, waker):
                    wait = self._accept(listener, wait)
            self._waker = None

    def serve_connection(self, sock: socket.socket) -> None:
        """Serve one connection that is there already, with this thread, until it ends."""
        serving = self._serving(sock, f"fd://{sock.fileno()}")
        self._run(serving)
        with self._changed:
            self._changed.wait_for(lambda: serving not in self._connections)

    def shutdown(self, timeout: float | None = None) -> int:
        """Accept no more, wait for the calls in flight, then close; how many calls were cut.

        A handler may call it: its own connection is not waited for, and ends when its calls do.

        Args:
            timeout: seconds to wait; None is for as long as it takes.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        own = {Serving.current()}
        for serving in self._stop():
            serving.drain()
        with self._changed:
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            self._changed.wait_for(lambda: self._connections <= own, left)
        return self._close_connections(own)

    def close(self) -> None:
        """End everything now; calls in flight are cut."""
        self._stop()
        self._close_connections()

    def _live_listeners(self) -> list[Listener]:
        with self._changed:
            if not self._listeners and not self._stopping:
                raise LocalProtocolError("the server listens nowhere: listen(address) comes first")
            return list(self._listeners)

    def _stop(self) -> list[Serving]:
        with self._changed:
            self._stopping = True
            listeners, self._listeners = self._listeners, []
            connections = list(self._connections)
        for listener in listeners:
            listener.close()
        self._wake()
        return connections

    def _close_connections(self, but: AbstractSet[Serving | None] = frozenset()) -> int:
        with self._changed:
            connections = [serving for serving in self._connections if serving not in but]
        cut = sum(serving.close() for serving in connections)
        self._monitor.stop()
        return cut

    def _accept(self, listener: Listener, wait: float) -> float:
        """Take one connection; how long to wait, should the next one fail."""
        try:
            sock = listener.accept()
        except BlockingIOError:
            return wait
        except OSError as exc:
            if exc.errno in OUT_OF_FILES:
                logger.warning("cannot accept at %s: %s", listener.address, exc.strerror)
                time.sleep(wait)
                return min(wait * 2, _LONGEST_WAIT)
            return wait  # the client has gone again, or the listener
        serving = self._serving(sock, listener.address)
        try:
            threading.Thread(
                target=self._run, args=(serving,), name="ttrpc-serve", daemon=True
            ).start()
        except RuntimeError as exc:  # the system has no more threads for us
            logger.warning("cannot serve a client of %s: %s", listener.address, exc)
            serving.close()
            self._connection_ended(serving)
            time.sleep(wait)
            return min(wait * 2, _LONGEST_WAIT)
        return _FIRST_WAIT

    def _run(self, serving: Serving) -> None:
        if self._authorize is None or self._is_let_in(serving.peer, self._authorize):
            serving.run()
        else:
            serving.close()
            self._connection_ended(serving)

    def _is_let_in(self, peer: Peer, authorize: Authorize) -> bool:
        try:
            answer = authorize(peer)
        except Exception:
            logger.exception("authorize failed for %s: it is not let in", peer)
            return False
        if not answer:
            logger.info("%s is not let in", peer)
        return answer

    def _serving(self, sock: socket.socket, address: str) -> Serving:
        serving = Serving(
            sock,
            address,
            self._router,
            self._monitor,
            interceptors=self._interceptors,
            trace=self._trace,
            ended=self._connection_ended,
        )
        with self._changed:
            self._connections.add(serving)
            stopping = self._stopping
        if stopping:
            serving.drain()
        return serving

    def _connection_ended(self, serving: Serving) -> None:
        with self._changed:
            self._connections.discard(serving)
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            if self._waker is not None:
                with contextlib.suppress(OSError):  # full, or closed: it wakes all the same
                    self._waker.send(b"\0")


def _ready(listeners: list[Listener], waker: socket.socket) -> list[Listener]:
    """The listeners with a connection to accept; none when the waker has a byte."""
    poll = select.poll()
    poll.register(waker, select.POLLIN)
    by_fd = {listener.fileno(): listener for listener in listeners}
    by_fd.pop(-1, None)  # closed meanwhile
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    happened = dict(poll.poll())
    if happened.pop(waker.fileno(), 0):
        waker.recv(64)
    return [by_fd[fd] for fd in happened]
