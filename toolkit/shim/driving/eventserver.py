"""Receives what a shim publishes, in containerd's place: for blocking callers."""

from __future__ import annotations

import queue
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit import sync
from toolkit.schema.load import load
from toolkit.shim.events import from_request
from toolkit.shim.topics import TASK_CREATE, TASK_DELETE, TASK_EXIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from toolkit.schema.pool import Schema
    from toolkit.shim.events import Event

__all__ = ["EVENTS_SERVICE", "KEPT", "EventServer", "has_ended", "note_end"]

EVENTS_SERVICE = "containerd.services.events.ttrpc.v1.Events"
_ENDS = (TASK_EXIT, TASK_DELETE)
KEPT = 10_000  # events that nobody has taken yet; older ones are dropped
_PATIENCE = 1.0  # seconds for a call in progress


def note_end(event: Event, noted: set[tuple[str, str]]) -> bool:
    """Note a container's making, exit or deletion; whether the event is one."""
    if event.topic not in (TASK_CREATE, *_ENDS) or not event.decoded:
        return False
    message = event.message
    # An exec has an id of its own; Delete leaves the id of a container's own process empty.
    if event.topic != TASK_CREATE and message.id not in ("", message.container_id):
        return False
    noted.add((event.topic, message.container_id))
    return True


def has_ended(container_id: str, noted: set[tuple[str, str]]) -> bool:
    """Whether both have been noted of a container, or it was never made."""
    if (TASK_CREATE, container_id) not in noted:
        return True
    return all((topic, container_id) in noted for topic in _ENDS)


class EventServer:
    """containerd's events service, on a socket of its own; iterate over what comes in.

    ::

        with EventServer() as events, shim.start(bundle, id="web", ttrpc_address=events.address):
            for event in events: ...

    Iteration waits for the next event, and ends when the server is closed and all are taken.

    Attributes:
        address: where it listens, ``unix:///…``; what a shim gets as ``TTRPC_ADDRESS``.
        dropped: how many events were lost, because 10,000 newer ones waited.
    """

    def __init__(self, *, schema: Schema | None = None) -> None:
        """Listen at once, with the events that a schema and its companions know."""
        self._schema = schema if schema is not None else load("containerd")
        self._queue: queue.Queue[Event | None] = queue.Queue(KEPT)
        self.dropped = 0
        self._closed = False
        self._ends = threading.Condition()  # guards _ended
        self._ended: set[tuple[str, str]] = set()
        self._folder = tempfile.TemporaryDirectory(prefix="ttrpc-events-")
        self._server = sync.Server()
        self._server.add(self._schema.service(EVENTS_SERVICE), self)
        listener = self._server.listen(f"unix://{Path(self._folder.name, 's')}")
        self.address = listener.address
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="shim-events", daemon=True
        )
        self._thread.start()

    def Forward(self, request: Any, context: Any) -> None:  # noqa: ARG002
        """What publishers call."""
        event = from_request(request, self._schema)
        self._put(event)
        with self._ends:
            if note_end(event, self._ended):
                self._ends.notify_all()

    def wait_for_end(self, container_id: str, timeout: float) -> bool:
        """Whether a container's exit and its deletion are published within so many seconds."""
        with self._ends:
            return self._ends.wait_for(lambda: has_ended(container_id, self._ended), timeout)

    def get(self, timeout: float | None = None) -> Event | None:
        """The next event; None when there is none within so many seconds, or ever."""
        try:
            event = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if event is None:
            self._queue.put(None)  # for whoever asks next
        return event

    def close(self) -> None:
        """Stop listening; what has come in can still be taken. Twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._server.shutdown(_PATIENCE)
        self._thread.join()
        self._folder.cleanup()
        self._put(None)

    def __iter__(self) -> Iterator[Event]:
        while (event := self.get()) is not None:
            yield event

    def __enter__(self) -> EventServer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _put(self, event: Event | None) -> None:
        while True:
            try:
                self._queue.put_nowait(event)
            except queue.Full:
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue
                self.dropped += 1
            else:
                return
