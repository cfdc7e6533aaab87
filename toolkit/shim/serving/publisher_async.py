"""Forwards a shim's events to containerd, from a task of its own: the twin of ``Publisher``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from toolkit import aio
from toolkit.errors import ConnectionClosed, ToolkitError
from toolkit.schema.load import load
from toolkit.shim.serving.forwarding import EVENTS_SERVICE, envelope_of, target_of
from toolkit.shim.serving.outbox import DELAYS, FORWARD_TIMEOUT, QUEUE_SIZE, Outbox, is_final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from google.protobuf.message import Message

    from toolkit.aio import Channel
    from toolkit.schema.pool import Schema

__all__ = ["AsyncPublisher"]

logger = logging.getLogger(__name__)


class AsyncPublisher:
    """Publishes events in their order; ``publish`` never waits, and is no coroutine.

    Arguments and behaviour are those of ``Publisher``. It belongs to one event loop.
    """

    def __init__(
        self,
        address: str,
        namespace: str,
        *,
        schema: Schema | None = None,
        size: int = QUEUE_SIZE,
        timeout: float = FORWARD_TIMEOUT,
        delays: Sequence[float] = DELAYS,
    ) -> None:
        self.address = target_of(address)
        self.namespace = namespace
        self._schema = schema if schema is not None else load("containerd")
        self._timeout = timeout
        self._outbox = Outbox(size=size, delays=delays)
        self._changed = asyncio.Event()  # there is an event, or it is closing
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._channel: Channel | None = None

    @property
    def dropped(self) -> int:
        """How many events were not forwarded, and will not be."""
        return self._outbox.dropped

    @property
    def waiting(self) -> int:
        """How many events have not arrived yet."""
        return len(self._outbox)

    def publish(self, topic: str, event: Message | Mapping[str, Any]) -> None:
        """Have an event forwarded, as of now; the arguments are those of ``Publisher.publish``.

        Raises:
            MessageError: the values do not fit, or containerd would refuse topic or namespace.
        """
        envelope = envelope_of(self.namespace, topic, event, self._schema)
        if self._closing or not self.address:
            self._outbox.dropped += 1
            reason = "the publisher is closed" if self._closing else "TTRPC_ADDRESS is empty"
            logger.warning("event %s is not published: %s", topic, reason)
            return
        lost = self._outbox.put(envelope)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="shim-publisher")
        self._empty.clear()
        self._changed.set()
        if lost is not None:
            logger.warning(
                "dropped event %s, the oldest of too many; %d so far", lost["topic"], self.dropped
            )

    async def close(self, timeout: float = FORWARD_TIMEOUT) -> int:
        """Forward what waits, for so many seconds; how many were lost here. Twice is fine."""
        self._closing = True
        self._changed.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), timeout)
        lost = self._outbox.clear()
        if lost:
            logger.error("%d events were lost: %s took none", lost, self.address)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._disconnect()
        return lost

    async def __aenter__(self) -> AsyncPublisher:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _run(self) -> None:
        while True:
            while (envelope := self._outbox.first) is not None:
                await self._handle(envelope)
            self._empty.set()
            self._changed.clear()
            await self._changed.wait()
            if self._closing and not self._outbox:
                return

    async def _handle(self, envelope: Any) -> None:
        error = await self._forward(envelope)
        if error is None:
            self._outbox.forwarded()
            return
        delay = self._outbox.failed(final=is_final(error))
        if delay is None:
            logger.error("event %s is given up: %s", envelope["topic"], error)
            return
        logger.warning("event %s: %s; again in %g s", envelope["topic"], error, delay)
        await asyncio.sleep(delay)

    async def _forward(self, envelope: Any) -> ToolkitError | None:
        try:
            try:
                await self._call(envelope)
            except ConnectionClosed:
                # containerd has been restarted since the last event, and may be back.
                await self._disconnect()
                await self._call(envelope)
        except ToolkitError as exc:
            await self._disconnect()
            return exc
        return None

    async def _call(self, envelope: Any) -> None:
        if self._channel is None:
            self._channel = await aio.connect(self.address, timeout=self._timeout)
        forward = self._schema.service(EVENTS_SERVICE)["Forward"]
        await self._channel.call(forward, {"envelope": envelope}, timeout=self._timeout)

    async def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(ToolkitError):
                channel.close()
                await channel.wait_closed()
