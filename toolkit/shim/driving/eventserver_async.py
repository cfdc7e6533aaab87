"""Receives what a shim publishes, in containerd's place: for asyncio."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import aio
from toolkit.schema.load import load
from toolkit.shim.driving.eventserver import EVENTS_SERVICE, KEPT, has_ended, note_end
from toolkit.shim.events import from_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from toolkit.schema.pool import Schema
    from toolkit.shim.events import Event

__all__ = ["AsyncEventServer"]

_PATIENCE = 1.0  # seconds for a call in progress


class AsyncEventServer:
    """containerd's events service, on a socket of its own; ``async for`` over what comes in.

    ::

        async with AsyncEventServer() as events:
            async for event in events: ...

    Iteration waits for the next event, and ends when the server is closed and all are taken.

    Attributes:
        address: where it listens, ``unix:///…``; what a shim gets as ``TTRPC_ADDRESS``.
        dropped: how many events were lost, because 10,000 newer ones waited.
    """

    def __init__(self, *, schema: Schema | None = None) -> None:
        """Ready to be entered, with the events that a schema and its companions know."""
        self._schema = schema if schema is not None else load("containerd")
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._ends = asyncio.Event()
        self._ended: set[tuple[str, str]] = set()
        self._closed = False
        self.address = ""
        self.dropped = 0

    async def Forward(self, request: Any, context: Any) -> None:  # noqa: ARG002
        """What publishers call."""
        if len(self._events) == KEPT:
            self._events.popleft()
            self.dropped += 1
        event = from_request(request, self._schema)
        self._events.append(event)
        self._changed.set()
        if note_end(event, self._ended):
            self._ends.set()

    async def wait_for_end(self, container_id: str, timeout: float) -> bool:
        """Whether a container's exit and its deletion are published within so many seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not has_ended(container_id, self._ended):
                    self._ends.clear()
                    await self._ends.wait()
        except TimeoutError:
            return False
        return True

    async def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when there is none within so many seconds, or ever."""
        try:
            async with asyncio.timeout(timeout):
                while not self._events:
                    if self._closed:
                        return None
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return None
        return self._events.popleft()

    async def close(self) -> None:
        """Stop listening; what has come in can still be taken. Twice is fine."""
        if self._closed or not self.address:
            return
        self._closed = True
        await self._server.shutdown(_PATIENCE)
        self._folder.cleanup()
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while (event := await self.get()) is not None:
            yield event

    async def __aenter__(self) -> AsyncEventServer:
        self._folder = tempfile.TemporaryDirectory(prefix="ttrpc-events-")
        self._server = aio.Server()
        self._server.add(self._schema.service(EVENTS_SERVICE), self)
        listener = self._server.listen(f"unix://{Path(self._folder.name, 's')}")
        self.address = listener.address
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
