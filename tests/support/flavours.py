"""The flavours behind one blocking face, so that each scenario is written once."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.support.aio_face import AioFlavour
from toolkit import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.method import Service

__all__ = ["FLAVOURS", "AioFlavour", "Flavour", "SyncFlavour"]


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
        server = sync.Server(**options)
        for service, implementation in services.items():
            server.add(service, implementation)
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=server.serve_connection, args=(theirs,))
        thread.start()
        try:
            with ours:
                ours.settimeout(10)
                yield ours
        finally:
            server.close()
            thread.join()


Flavour: TypeAlias = "SyncFlavour | AioFlavour"
FLAVOURS: list[Flavour] = [SyncFlavour(), AioFlavour()]
