"""Forwards a shim's events to containerd, from a thread of its own: no handler waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from toolkit import sync
from toolkit.errors import ConnectionClosed, ToolkitError
from toolkit.schema.load import load
from toolkit.shim.serving.forwarding import EVENTS_SERVICE, envelope_of, target_of
from toolkit.shim.serving.outbox import DELAYS, FORWARD_TIMEOUT, QUEUE_SIZE, Outbox, is_final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema
    from toolkit.sync import Channel

__all__ = ["Publisher"]

logger = logging.getLogger(__name__)


class Publisher:
    """Publishes events in their order; ``publish`` never waits.

    ::

        with Publisher(os.environ["TTRPC_ADDRESS"], "default") as publisher:
            publisher.publish(topics.TASK_OOM, {"container_id": "web"})

    An event that does not arrive is tried again up to five times, on new connections, and those
    behind it wait: containerd may be restarting. Where too many wait, the oldest are dropped.

    Args:
        address: containerd's TTRPC socket, as text for ``connect`` or a path: ``TTRPC_ADDRESS``.
            Empty: there is nobody to publish to, and events are dropped.
        namespace: containerd's namespace, in every envelope.
        schema: of the events; the newest containerd's by default.
        size: how many events may wait.
        timeout: seconds for one try.
        delays: seconds before the second try, the third, and so on.
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
        # Guards the outbox, the thread and what follows; never held across I/O.
        self._changed = threading.Condition()
        self._outbox = Outbox(size=size, delays=delays)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._given_up = False
        self._channel: Channel | None = None  # of the thread alone

    @property
    def dropped(self) -> int:
        """How many events were not forwarded, and will not be."""
        return self._outbox.dropped

    @property
    def waiting(self) -> int:
        """How many events have not arrived yet."""
        return len(self._outbox)

    def publish(self, topic: str, event: Message | Mapping[str, Any]) -> None:
        """Have an event forwarded, as of now.

        Args:
            topic: as ``toolkit.shim.topics`` has them.
            event: the message; or the values of the one that belongs to the topic.

        Raises:
            MessageError: the values do not fit, or containerd would refuse topic or namespace.
        """
        envelope = envelope_of(self.namespace, topic, event, self._schema)
        with self._changed:
            if self._closing or not self.address:
                self._outbox.dropped += 1
                logger.warning("event %s is not published: %s", topic, self._reason())
                return
            lost = self._outbox.put(envelope)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="shim-publisher", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()
        if lost is not None:
            logger.warning(
                "dropped event %s, the oldest of too many; %d so far", lost["topic"], self.dropped
            )

    def close(self, timeout: float = FORWARD_TIMEOUT) -> int:
        """Forward what waits, for so many seconds; how many were lost here. Twice is fine."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._outbox, max(0.0, timeout))
            self._given_up = True
            lost = self._outbox.clear()
            self._changed.notify_all()
        if lost:
            logger.error("%d events were lost: %s took none", lost, self.address)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.1, deadline - time.monotonic()))  # it may be in its last try
        return lost

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _reason(self) -> str:
        return "the publisher is closed" if self._closing else "TTRPC_ADDRESS is empty"

    def _run(self) -> None:
        try:
            while (envelope := self._next()) is not None:
                self._handle(envelope)
        finally:
            self._disconnect()

    def _next(self) -> Any | None:
        with self._changed:
            self._changed.wait_for(lambda: self._outbox or self._closing)
            return self._outbox.first

    def _handle(self, envelope: Any) -> None:
        error = self._forward(envelope)
        with self._changed:
            if self._given_up:
                return
            if error is None:
                self._outbox.forwarded()
                self._changed.notify_all()
                return
            delay = self._outbox.failed(final=is_final(error))
            self._changed.notify_all()
        if delay is None:
            logger.error("event %s is given up: %s", envelope["topic"], error)
            return
        logger.warning("event %s: %s; again in %g s", envelope["topic"], error, delay)
        with self._changed:
            self._changed.wait_for(lambda: self._given_up, delay)

    def _forward(self, envelope: Any) -> ToolkitError | None:
        try:
            try:
                self._call(envelope)
            except ConnectionClosed:
                # containerd has been restarted since the last event, and may be back.
                self._disconnect()
                self._call(envelope)
        except ToolkitError as exc:
            self._disconnect()
            return exc
        return None

    def _call(self, envelope: Any) -> None:
        if self._channel is None:
            self._channel = sync.connect(self.address, timeout=self._timeout)
        forward = self._schema.service(EVENTS_SERVICE)["Forward"]
        self._channel.call(forward, {"envelope": envelope}, timeout=self._timeout)

    def _disconnect(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            with contextlib.suppress(ToolkitError):
                channel.close()
