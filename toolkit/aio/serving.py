"""One connection of an asyncio server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.aio.deadlines import Deadlines
from toolkit.aio.link import Link, attach
from toolkit.aio.requests import Requests
from toolkit.aio.workers import Workers
from toolkit.errors import RemoteProtocolError, RpcError
from toolkit.rpc.dispatch import ServerSession
from toolkit.rpc.failure import report
from toolkit.rpc.interceptors import chain
from toolkit.schema.message import as_message
from toolkit.schema.method import Kind
from toolkit.sockets import hung_up, peer_of
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.rpc.dispatch import IncomingCall
    from toolkit.rpc.interceptors import Call, Interceptor
    from toolkit.rpc.router import Router
    from toolkit.wire.connection import Trace

__all__ = ["Serving"]

logger = logging.getLogger(__name__)

_UNARY = Kind.UNARY

MAX_UNSENT = 8 << 20  # bytes of replies that a client has not read; then nothing more is taken
LINGER = 0.05  # seconds between two looks at a client that has closed its sending side


class Serving:
    """One connection; ``ended`` is done when it is over.

    Args:
        sock: connected; it is closed at the end.
        address: of the listener, for the peer that handlers see.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: str,
        router: Router,
        *,
        interceptors: Sequence[Interceptor] = (),
        trace: Trace | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self.peer = peer_of(sock, address)
        self._local = sock.family == socket.AF_UNIX
        self._session = ServerSession(router, self.peer, self._loop.time, trace=trace)
        self._link = Link(
            self._session.wire, received=self._received, lost=self._lost, max_unsent=MAX_UNSENT
        )
        self._interceptors = interceptors
        self._workers = Workers(self._answer)
        self._deadlines: Deadlines[IncomingCall] = Deadlines(self._expire)
        self._numbers: dict[IncomingCall, int] = {}  # of the calls' deadlines
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def open_calls(self) -> int:
        """Calls that are not answered yet."""
        return len(self._session.wire.streams)

    def runs(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task is in a handler of this connection."""
        return self._workers.has(task)

    async def run(self) -> None:
        """Serve until the connection ends; at once, when it has been closed before."""
        if self._link.closed.done():
            self._socket.close()
            return
        try:
            await attach(self._link, self._socket, accepted=True)
        except OSError:
            self._socket.close()  # the client has gone again
            return
        await asyncio.shield(self._link.closed)
        self._workers.close()
        await self._workers.wait_closed()

    def drain(self) -> None:
        """Take no more calls; the connection ends when those that are open are answered."""
        self._session.draining = True
        self._close_if_drained()

    def close(self) -> int:
        """End the connection now; how many calls that cuts."""
        cut = self.open_calls
        self._cancel(self._session.close())
        self._end()
        return cut

    def refuse(self) -> None:
        """Close a connection that is not to be served."""
        self.close()
        self._socket.close()

    async def _answer(self, call: IncomingCall) -> None:
        try:
            if not self._session.begin(call):
                pass
            elif self._interceptors or call.route.method.kind is not _UNARY:
                await self._handle(call)
            else:  # most calls; a coroutine less
                result = await call.route.handler(call.request(), call.context)
                self._session.reply(call, call.encode(result))
        except BaseException as exc:  # noqa: BLE001  # whatever it is, the client gets an answer
            if not call.stream.finished:
                report(call.route.method.path, exc)
            self._fail(call, exc)
        if self._numbers and call in self._numbers:
            self._deadlines.discard(self._numbers.pop(call))
        self._link.flush_soon()
        if self._session.draining:
            self._close_if_drained()

    def _fail(self, call: IncomingCall, error: BaseException) -> None:
        try:
            self._session.fail(call, error)
        except Exception:
            logger.exception("%r cannot be sent as a status", error)
            self._session.fail(call, RpcError(Code.INTERNAL, type(error).__name__))

    async def _handle(self, call: IncomingCall) -> None:
        kind = call.route.method.kind
        request = Requests(call) if kind.client_streaming else call.request()
        if self._interceptors:
            proceed = chain(self._interceptors, partial(_run_handler, call, request))
            result = await proceed(call.given(request))
        elif kind.server_streaming:
            result = call.route.handler(request, call.context)
        else:
            result = await call.route.handler(request, call.context)
        if kind.server_streaming:
            await self._send_all(call, result)
        else:
            self._session.reply(call, call.encode(result))

    async def _send_all(self, call: IncomingCall, messages: Any) -> None:
        if not hasattr(messages, "aclose"):
            raise TypeError(
                f"the handler of {call.route.method.path} returned {type(messages).__name__};"
                " a streaming method is an async generator"
            )
        async with contextlib.aclosing(messages):
            async for message in messages:
                payload = call.encode(message)
                if call.stream.finished:
                    return
                self._session.send(call, payload)
                self._link.flush_soon()
                if self._link.unsent >= MAX_UNSENT:
                    await self._link.room()
        self._session.end(call)
        _wake(call)

    def _received(self, data: bytes) -> None:
        if not data:
            self._client_is_done()
            return
        try:
            new, news = self._session.receive(data)
        except RemoteProtocolError:
            self.close()
            return
        except Exception:
            logger.exception("serving %s failed: the connection is closed", self.peer.address)
            self.close()
            return
        for call in news:
            _wake(call)
            if call.stream.finished:
                self._workers.cancel(call)
        if new:
            self._workers.run(new)
            for call in new:
                if call.context.deadline is not None:
                    self._numbers[call] = self._deadlines.add(call.context.deadline, call)
        self._link.flush_soon()

    def _lost(self, _: BaseException | None) -> None:
        self._cancel(self._session.close())
        self._end()

    def _cancel(self, calls: list[IncomingCall]) -> None:
        for call in calls:
            _wake(call)
            self._workers.cancel(call)

    def _expire(self, late: list[IncomingCall]) -> None:
        for call in late:
            self._numbers.pop(call, None)
        self._cancel(self._session.expire(self._loop.time()))
        self._link.flush_soon()

    def _client_is_done(self) -> None:
        """The client sends no more; whether it still reads cannot always be told."""
        if self._local:
            for call in self._session.half_close():
                _wake(call)
            self._linger()
        else:
            # Elsewhere than on a unix socket, a client that is gone looks like one that waits for
            # its replies: handlers are cancelled, as by Go's server.
            self._cancel(self._session.close())
            self._end()

    def _linger(self) -> None:
        """Let the calls be answered, for as long as the client is there."""
        if hung_up(self._socket):
            self._cancel(self._session.close())
        if self._session.closed or not self.open_calls:
            self._end()
        else:
            self._lingering = self._loop.call_later(LINGER, self._linger)

    def _close_if_drained(self) -> None:
        if self._session.draining and not self.open_calls:
            self._end()

    def _end(self) -> None:
        self._deadlines.close()
        if self._lingering is not None:
            self._lingering.cancel()
        self._link.close()


async def _run_handler(call: IncomingCall, request: Any, given: Call) -> Any:
    """The end of the chain of interceptors."""
    result = call.route.handler(call.intercepted(request, given), call.context)
    if call.route.method.kind.server_streaming:
        return result
    return as_message(call.route.method.reply, await result)  # interceptors get a message


def _wake(call: IncomingCall) -> None:
    if call.waiter is not None and not call.waiter.done():
        call.waiter.set_result(None)
