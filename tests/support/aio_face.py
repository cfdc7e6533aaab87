"""The asyncio flavour behind a blocking face: a loop in a thread, and calls into it."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit import aio
from toolkit.rpc.stub import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from toolkit.schema.method import Service

__all__ = ["AioFlavour"]


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self, factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
        self._factory = factory
        self._started = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.executor = ThreadPoolExecutor(64)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._started.wait()

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run this in the loop, and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call this in the loop."""

        async def call() -> Any:
            return function(*args, **kwargs)

        return self.wait(call())

    def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """An awaitable for a function that blocks."""
        run = contextvars.copy_context().run
        return self.loop.run_in_executor(self.executor, run, function, *args)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._factory) as runner:
            self.loop = runner.get_loop()
            self.loop.set_debug(False)
            self.loop.call_soon(self._started.set)
            self.loop.run_forever()


class Face:
    """A channel whose methods block."""

    def __init__(self, loop: Loop, channel: Any) -> None:  # of either kind
        self._loop = loop
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    @property
    def closed(self) -> bool:
        # What has arrived is taken in first, as the blocking flavour does.
        self._loop.wait(asyncio.sleep(0.01))
        return bool(self._channel.closed)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        return self._loop.wait(self._channel.call(*args, **kwargs))

    def stream(self, *args: Any, **kwargs: Any) -> StreamFace:
        async def opened() -> aio.Stream:
            stream: aio.Stream = await self._channel.stream(*args, **kwargs)
            return stream

        return StreamFace(self._loop, self._loop.wait(opened()))

    def client(self, service: Service) -> Client:
        return Client(self, service)

    def on_close(self, callback: Callable[[], object]) -> None:
        self._loop.do(self._channel.on_close, callback)

    def close(self) -> None:
        async def closed() -> None:
            self._channel.close()
            await self._channel.wait_closed()
            await asyncio.sleep(0)

        self._loop.wait(closed())

    def __enter__(self) -> Face:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class StreamFace:
    """A stream whose methods block."""

    def __init__(self, loop: Loop, stream: aio.Stream) -> None:
        self._loop = loop
        self._stream = stream
        self._call = stream._call
        self.method = stream.method

    def send(self, *args: Any) -> None:
        self._loop.wait(self._stream.send(*args))

    def close_send(self) -> None:
        self._loop.wait(self._stream.close_send())

    def receive(self) -> Any:
        return self._loop.wait(self._stream.receive())

    def cancel(self) -> None:
        self._loop.do(self._stream.cancel)

    def __iter__(self) -> Iterator[Any]:
        while (message := self.receive()) is not None:
            yield message

    def __enter__(self) -> StreamFace:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cancel()


class ServerFace:
    """A server whose methods block."""

    def __init__(self, loop: Loop, server: aio.Server) -> None:
        self._loop = loop
        self._server = server

    def shutdown(self, timeout: float | None = None) -> int:
        cut: int = self._loop.wait(self._server.shutdown(timeout))
        return cut


class MuxFace:
    """A mux whose methods block."""

    def __init__(self, loop: Loop, mux: aio.Mux) -> None:
        self._loop = loop
        self._mux = mux

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mux, name)

    def __repr__(self) -> str:
        return repr(self._mux)

    def open(self, number: int) -> socket.socket:
        sock: socket.socket = self._loop.do(self._mux.open, number)
        return sock

    def close(self) -> None:
        async def closed() -> None:
            self._mux.close()
            await self._mux.wait_closed()

        self._loop.wait(closed())

    def __enter__(self) -> MuxFace:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Handlers:
    """The handlers of a blocking implementation, for asyncio: each runs in a thread."""

    def __init__(self, loop: Loop, service: Service, implementation: object) -> None:
        for method in service.methods:
            handler = getattr(implementation, method.name, None)
            if handler is None:
                continue
            kind = method.kind
            adapt = _streaming if kind.server_streaming else _answering
            setattr(self, method.name, adapt(loop, handler, requests=kind.client_streaming))


class AioFlavour:
    """The asyncio flavour."""

    def __init__(
        self, name: str = "asyncio", factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    ) -> None:
        self.name = name
        self._factory = factory
        self._made: Loop | None = None

    @property
    def _loop(self) -> Loop:
        if self._made is None:
            self._made = Loop(self._factory)
        return self._made

    def connect(self, address: Any, **options: Any) -> Face:
        """A channel; the caller closes it."""
        loop = self._loop

        async def connected() -> aio.Channel:
            return await aio.connect(address, **_adapted(loop, options))

        return Face(loop, loop.wait(connected()))

    @contextlib.contextmanager
    def serving(
        self, address: Any, services: dict[Service, object], **options: Any
    ) -> Iterator[tuple[ServerFace, str]]:
        """A server that runs, and its address."""
        loop = self._loop
        server = loop.do(self._server, services, options)
        listener = loop.do(server.listen, address)
        try:
            yield ServerFace(loop, server), listener.address
        finally:
            loop.do(server.close)
            loop.wait(server.shutdown(5))

    @contextlib.contextmanager
    def connection(
        self, services: dict[Service, object], **options: Any
    ) -> Iterator[socket.socket]:
        """The client's end of one connection that a server serves."""
        ours, theirs = socket.socketpair()
        with self.serving_on(theirs, services, **options), ours:
            ours.settimeout(10)
            yield ours

    @contextlib.contextmanager
    def serving_on(
        self, sock: socket.socket, services: dict[Service, object], **options: Any
    ) -> Iterator[None]:
        """A server of this one connection."""
        loop = self._loop
        server = loop.do(self._server, services, options)
        served = asyncio.run_coroutine_threadsafe(server.serve_connection(sock), loop.loop)
        try:
            yield
        finally:
            loop.do(server.close)
            served.result(5)

    def reconnecting(self, address: str, **options: Any) -> Face:
        """A channel that connects again; the caller closes it."""
        loop = self._loop
        return Face(loop, loop.do(aio.reconnecting, address, **_adapted(loop, options)))

    def mux(self, trunk: socket.socket | int, **options: Any) -> MuxFace:
        """A mux; the caller closes it."""
        return MuxFace(self._loop, self._loop.do(aio.Mux, trunk, **options))

    def _server(self, services: dict[Service, object], options: dict[str, Any]) -> aio.Server:
        server = aio.Server(**_adapted(self._loop, options))
        for service, implementation in services.items():
            if not any(hasattr(implementation, method.name) for method in service.methods):
                server.add(service, implementation)
            else:
                server.add(service, Handlers(self._loop, service, implementation))
        return server


def _answering(loop: Loop, handler: Callable[..., Any], *, requests: bool) -> Callable[..., Any]:
    async def answer(request: Any, context: Any) -> Any:
        if requests:
            request = _blocking(loop, request)
        return await loop.in_thread(handler, request, context)

    return answer


def _streaming(loop: Loop, handler: Callable[..., Any], *, requests: bool) -> Callable[..., Any]:
    async def stream(request: Any, context: Any) -> Any:
        if requests:
            request = _blocking(loop, request)
        generator = handler(request, context)
        end = object()
        try:
            while (message := await loop.in_thread(next, generator, end)) is not end:
                yield message
        finally:
            with contextlib.suppress(ValueError):  # a thread is still in it
                generator.close()

    return stream


def _blocking(loop: Loop, requests: Any) -> Iterator[Any]:
    async def next_request() -> Any:
        return await anext(requests, None)

    while (request := loop.wait(next_request())) is not None:
        yield request


def _adapted(loop: Loop, options: dict[str, Any]) -> dict[str, Any]:
    """Options whose callables block, for asyncio."""
    options = {
        **options,
        "interceptors": [
            each if inspect.iscoroutinefunction(each) else _async(loop, each)
            for each in options.get("interceptors", [])
        ],
    }
    if "authorize" in options:
        options["authorize"] = partial(loop.in_thread, options["authorize"])
    return options


def _async(loop: Loop, interceptor: Callable[..., Any]) -> Callable[..., Any]:
    async def intercept(call: Any, proceed: Any) -> Any:
        def blocking(changed: Any) -> Any:
            async def proceeded() -> Any:
                result = proceed(changed)
                return await result if inspect.isawaitable(result) else result

            return loop.wait(proceeded())

        return await loop.in_thread(interceptor, call, blocking)

    return intercept
