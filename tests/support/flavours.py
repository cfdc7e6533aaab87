"""The flavours behind one blocking face, so that each scenario is written once."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.support.aio_face import AioFlavour
from toolkit import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.method import Service

__all__ = ["FLAVOURS", "AioFlavour", "Flavour", "SyncFlavour", "every_flavour"]


class SyncFlavour:
    """The blocking flavour, as it is."""

    name = "sync"

    def connect(self, address: Any, **options: Any) -> sync.Channel:
        """A channel; the caller closes it."""
        return sync.connect(address, **options)

    @contextlib.contextmanager
    def serving(
        self, address: Any, services: dict[Service, object], **options: Any
    ) -> Iterator[tuple[sync.Server, str]]:
        """A server that runs, and its address."""
        server = sync.Server(**options)
        for service, implementation in services.items():
            server.add(service, implementation)
        listener = server.listen(address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, listener.address
        finally:
            server.close()
            thread.join()

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
        server = sync.Server(**options)
        for service, implementation in services.items():
            server.add(service, implementation)
        thread = threading.Thread(target=server.serve_connection, args=(sock,))
        thread.start()
        try:
            yield
        finally:
            server.close()
            thread.join()

    def reconnecting(self, address: str, **options: Any) -> sync.ReconnectingChannel:
        """A channel that connects again; the caller closes it."""
        return sync.reconnecting(address, **options)

    def mux(self, trunk: socket.socket | int, **options: Any) -> sync.Mux:
        """A mux; the caller closes it."""
        return sync.Mux(trunk, **options)


Flavour: TypeAlias = "SyncFlavour | AioFlavour"
FLAVOURS: list[Flavour] = [SyncFlavour(), AioFlavour()]


def every_flavour() -> list[Flavour]:
    """The flavours; where everything is to be shown, asyncio's once more with uvloop."""
    if os.environ.get("INTEROP") != "required":
        return FLAVOURS
    import uvloop

    return [*FLAVOURS, AioFlavour("uvloop", uvloop.new_event_loop)]
