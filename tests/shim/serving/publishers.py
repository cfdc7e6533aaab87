"""Both publishers behind one blocking face, and containerd's side: a real events server."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import toolkit
from toolkit import sync
from toolkit.shim.serving.forwarding import EVENTS_SERVICE
from toolkit.shim.serving.publisher import Publisher
from toolkit.shim.serving.publisher_async import AsyncPublisher

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncFace", "Containerd"]


class Containerd:
    """An events server that can be stopped, started again, and told how to answer.

    Attributes:
        events: the Forward requests' envelopes, in their order.
        answer: called with each before it is taken; it may wait, or raise.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.events: list[Any] = []
        self.answer: Callable[[Any], object] = lambda envelope: None
        self._server: sync.Server | None = None
        self._arrived = threading.Condition()

    def start(self) -> None:
        self._server = sync.Server()
        self._server.add(toolkit.load("containerd").service(EVENTS_SERVICE), self)
        self._server.listen(self.address)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._thread.join()
            self._server = None

    def Forward(self, request: Any, context: Any) -> None:
        self.answer(request.envelope)
        with self._arrived:
            self.events.append(request.envelope)
            self._arrived.notify_all()

    def ids(self) -> list[str]:
        """The containers that the events are of."""
        unpack = toolkit.load("containerd").unpack
        return [unpack(envelope.event).container_id for envelope in self.events]

    def has(self, count: int) -> bool:
        """Whether so many events arrive."""
        with self._arrived:
            return self._arrived.wait_for(lambda: len(self.events) >= count, 10)


class AsyncFace:
    """An AsyncPublisher in an event loop of its own thread."""

    def __init__(self, address: str, namespace: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

        async def make() -> AsyncPublisher:
            return AsyncPublisher(address, namespace, **options)

        self._publisher = self._run(make())

    @property
    def dropped(self) -> int:
        return int(self._publisher.dropped)

    @property
    def waiting(self) -> int:
        return int(self._publisher.waiting)

    def publish(self, topic: str, event: Any) -> None:
        async def publish() -> None:
            self._publisher.publish(topic, event)

        self._run(publish())

    def close(self, timeout: float = 5.0) -> int:
        if self._loop.is_closed():
            return 0
        lost: int = self._run(self._publisher.close(timeout))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return lost

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)


FACES: list[Callable[..., Any]] = [Publisher, AsyncFace]
