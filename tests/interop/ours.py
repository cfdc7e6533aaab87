"""Our servers for foreign clients, in both flavours, with handlers as their users write them."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from tests.support.peer import background
from toolkit import aio, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.method import Service

__all__ = ["serving"]

LIMIT = 5  # seconds that a server waits for its calls at the end


@contextlib.contextmanager
def serving(
    flavour: str, service: Service, implementation: object, **options: Any
) -> Iterator[str]:
    """The address of our server; no call is left when the block ends."""
    run = _in_threads if flavour == "sync" else _in_a_loop
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        address = f"unix://{folder}/ours.sock"
        with run(address, service, implementation, options) as cut:
            yield address
        assert cut == [0], f"{cut} calls were still open when the server stopped"


@contextlib.contextmanager
def _in_threads(
    address: str, service: Service, implementation: object, options: dict[str, Any]
) -> Iterator[list[int]]:
    server = sync.Server(**options)
    server.add(service, implementation)
    server.listen(address)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    cut: list[int] = []
    try:
        yield cut
    finally:
        cut.append(server.shutdown(LIMIT))
        thread.join()


@contextlib.contextmanager
def _in_a_loop(
    address: str, service: Service, implementation: object, options: dict[str, Any]
) -> Iterator[list[int]]:
    listening = threading.Event()
    stop = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> int:
        server = aio.Server(**options)
        server.add(service, implementation)
        server.listen(address)
        loops.append(asyncio.get_running_loop())
        listening.set()
        await stop.wait()
        return await server.shutdown(LIMIT)

    served = background(asyncio.run, serve())
    assert listening.wait(LIMIT)
    cut: list[int] = []
    try:
        yield cut
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        cut.append(served.result(2 * LIMIT))
