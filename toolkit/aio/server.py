"""An asyncio server: it answers the calls of all its connections in one loop."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, overload

from toolkit.aio.serving import Serving
from toolkit.errors import LocalProtocolError
from toolkit.rpc.router import Router
from toolkit.sockets.listening import OUT_OF_FILES, listen_socket

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Generator, Sequence
    from types import TracebackType

    from toolkit.rpc.context import Peer
    from toolkit.rpc.credentials import AioAuthorize
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.rpc.router import AsyncImplementation
    from toolkit.schema.method import Service
    from toolkit.sockets import AddressLike
    from toolkit.sockets.listening import Bound
    from toolkit.wire.connection import Trace

__all__ = ["Listener", "Server"]

logger = logging.getLogger(__name__)

# Go's server waits 1 ms, and twice as long each time up to 1 s, when accept fails for want of
# file descriptors; a loop that does not wait takes the processor that could free some.
_FIRST_WAIT, _LONGEST_WAIT = 0.001, 1.0
_ACCEPTS = 64  # connections that are taken in one turn of the loop


class Listener:
    """An address that a server listens on; leaving its ``async with`` shuts the server down.

    Attributes:
        address: where clients connect to, with the real port of a ``tcp://host:0``.
    """

    def __init__(self, server: Server, bound: Bound) -> None:
        self.address = bound.address
        self._server = server
        self._bound = bound
        self._socket = bound.sock
        self._loop = asyncio.get_running_loop()
        self._wait = _FIRST_WAIT
        self._retry: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._socket, self._accept)

    def close(self) -> None:
        """Stop listening, and remove the socket file."""
        if self._socket.fileno() < 0:
            return
        self._loop.remove_reader(self._socket)
        if self._retry is not None:
            self._retry.cancel()
        self._bound.unlink()
        self._socket.close()

    def __await__(self) -> Generator[None, None, Listener]:
        yield from ()  # it listens already; awaiting is allowed, as for everything here
        return self

    async def __aenter__(self) -> Listener:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.shutdown(5)

    def __repr__(self) -> str:
        return f"<Listener {self.address}>"

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            try:
                sock = self._socket.accept()[0]
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno in OUT_OF_FILES:
                    self._pause(exc)
                return  # else the client has gone again
            self._wait = _FIRST_WAIT
            self._server._begin(sock, self.address)  # noqa: SLF001  # the two make one thing

    def _pause(self, error: OSError) -> None:
        logger.warning("cannot accept at %s: %s", self.address, error.strerror)
        self._loop.remove_reader(self._socket)
        self._retry = self._loop.call_later(
            self._wait, self._loop.add_reader, self._socket, self._accept
        )
        self._wait = min(self._wait * 2, _LONGEST_WAIT)


class Server:
    """Answers calls with the methods of your objects.

    ::

        server = Server()
        server.add(schema.service("containerd.task.v3.Task"), MyTask())
        async with server.listen("unix:///tmp/task.sock"):
            await server.serve_forever()

    A handler is ``async def State(self, request, context)``, and returns a message, a mapping of
    its fields, or None for an empty one. Where the client streams, ``requests`` comes in place of
    the request, for ``async for``; where the server streams, the handler is an async generator.
    It fails by raising ``RpcError``; any other exception is logged, and the client gets UNKNOWN
    with its text. A handler is cancelled when its client goes away or its deadline passes.

    Args:
        interceptors: ``async`` callables around every call, the first one outermost.
        trace: as for ``connect``.
        authorize: is given the ``Peer`` of a new connection, and says whether it is served; one
            that is not is closed before anything is read. ``toolkit.rpc.credentials`` has ready
            ones: ``same_user()``, ``root()``. It may be ``async``, and take its time: others are
            served meanwhile.
    """

    def __init__(
        self,
        *,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
        authorize: AioAuthorize | None = None,
    ) -> None:
        self._router = Router(is_async=True)
        self._interceptors = tuple(interceptors)
        self._trace = trace
        self._authorize = authorize
        self._listeners: list[Listener] = []
        self._connections: dict[Serving, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    @property
    def services(self) -> list[Service]:
        """What is served, by name."""
        return [service for _, service in sorted(self._router.services.items())]

    @overload
    def add(self, service: Service, implementation: object, /) -> None: ...
    @overload
    def add(self, implementation: AsyncImplementation, /) -> None: ...
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
        """Listen at an address; calls are answered from now on, while the loop runs.

        A socket file that nobody listens on is replaced, a live one is not; ``mode`` is the file
        mode of a new one.

        Raises:
            AddressError: the text is no address that a server can listen on.
            OSError: the address is taken, or this user may not.
        """
        if self._stopping.is_set():
            raise LocalProtocolError("the server has been shut down; make a new one")
        bound = listen_socket(address, mode=mode)
        bound.sock.settimeout(0)
        listener = Listener(self, bound)
        self._listeners.append(listener)
        return listener

    async def serve_forever(self) -> None:
        """Wait until ``shutdown`` or ``close``, from any task or handler."""
        if not self._listeners and not self._stopping.is_set():
            raise LocalProtocolError("the server listens nowhere: listen(address) comes first")
        await self._stopping.wait()

    async def serve_connection(self, sock: socket.socket) -> None:
        """Serve one connection that is there already, until it ends."""
        await asyncio.shield(self._begin(sock, f"fd://{sock.fileno()}"))

    async def shutdown(self, timeout: float | None = None) -> int:
        """Accept no more, wait for the calls in flight, then close; how many calls were cut.

        A handler may call it: its own connection is not waited for, and ends when its calls do.

        Args:
            timeout: seconds to wait; None is for as long as it takes.
        """
        self._stop()
        current = asyncio.current_task()
        for serving in list(self._connections):
            serving.drain()
        others = {
            serving: task
            for serving, task in self._connections.items()
            if not serving.runs(current)
        }
        if others:
            await asyncio.wait(others.values(), timeout=timeout)
        cut = sum(serving.close() for serving, task in others.items() if not task.done())
        left = [task for task in others.values() if not task.done()]
        if left:
            await asyncio.wait(left, timeout=1)
        return cut

    def close(self) -> None:
        """End everything now; calls in flight are cut."""
        self._stop()
        for serving in list(self._connections):
            serving.close()

    def _stop(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._stopping.set()

    def _begin(self, sock: socket.socket, address: str) -> asyncio.Task[None]:
        serving = Serving(
            sock, address, self._router, interceptors=self._interceptors, trace=self._trace
        )
        if self._stopping.is_set():
            serving.drain()
        task = asyncio.get_running_loop().create_task(self._run(serving))
        self._connections[serving] = task
        task.add_done_callback(lambda _: self._connections.pop(serving, None))
        return task

    async def _run(self, serving: Serving) -> None:
        let_in = False
        try:
            let_in = await self._is_let_in(serving.peer)
        finally:
            if not let_in:
                serving.refuse()
        if let_in:
            await serving.run()

    async def _is_let_in(self, peer: Peer) -> bool:
        if self._authorize is None:
            return True
        try:
            answer = self._authorize(peer)
            if not isinstance(answer, bool):
                answer = await answer
        except Exception:
            logger.exception("authorize failed for %s: it is not let in", peer)
            return False
        if not answer:
            logger.info("%s is not let in", peer)
        return answer
