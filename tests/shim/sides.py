"""Both flavours of the Streaming service, hubs included, behind one blocking face."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.support.aio_face import AioFlavour, StreamFace
from tests.support.flavours import SyncFlavour
from toolkit import aio
from toolkit.shim.streams import bytestreams
from toolkit.shim.streams.named import StreamHub, open_stream
from toolkit.shim.streams.named_async import AsyncStreamHub, open_stream_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.schema.method import Method, Service

__all__ = ["SIDES", "AioSide", "Side", "SyncSide"]


class SyncSide:
    """The blocking flavour, as it is."""

    name = "sync"
    Hub = StreamHub

    def __init__(self) -> None:
        self.flavour = SyncFlavour()

    def connect(self, address: str, **options: Any) -> Any:
        return self.flavour.connect(address, timeout=5, **options)

    @contextlib.contextmanager
    def serving(self, address: str, services: dict[Service, object]) -> Iterator[None]:
        """A server of these implementations, which are of this flavour."""
        with self.flavour.serving(address, services):
            yield

    def run(self, result: Any) -> Any:
        """What a method of this flavour comes to."""
        return result

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    def open(self, channel: Any, method: Method, id: str, **options: Any) -> Any:
        return open_stream(channel, method, id, **options)

    def send_bytes(self, stream: Any, pieces: Any) -> int:
        return bytestreams.send_bytes(stream, pieces)

    def receive_bytes(self, stream: Any) -> Iterator[bytes]:
        return bytestreams.receive_bytes(stream)


class AioSide:
    """The asyncio flavour, client and server in one loop."""

    name = "asyncio"
    Hub = AsyncStreamHub

    def __init__(self) -> None:
        self.flavour = AioFlavour()

    def connect(self, address: str, **options: Any) -> Any:
        return self.flavour.connect(address, timeout=5, **options)

    @contextlib.contextmanager
    def serving(self, address: str, services: dict[Service, object]) -> Iterator[None]:
        """A server of these implementations, which are of this flavour."""
        loop = self.flavour._loop
        server = loop.do(aio.Server)
        for service, implementation in services.items():
            loop.do(server.add, service, implementation)
        loop.do(server.listen, address)
        try:
            yield
        finally:
            loop.do(server.close)
            loop.wait(server.shutdown(5))

    def run(self, result: Any) -> Any:
        """What a method of this flavour comes to."""
        return self.flavour._loop.wait(result)

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        return self.flavour._loop.do(function, *args)

    def open(self, channel: Any, method: Method, id: str, **options: Any) -> Any:
        stream = self.run(open_stream_async(channel._channel, method, id, **options))
        return StreamFace(self.flavour._loop, stream)

    def send_bytes(self, stream: Any, pieces: Any) -> int:
        sent: int = self.run(bytestreams.send_bytes_async(_inner(stream), pieces))
        return sent

    def receive_bytes(self, stream: Any) -> Iterator[bytes]:
        async def next_piece() -> bytes | None:
            return await anext(pieces, None)

        pieces = bytestreams.receive_bytes_async(_inner(stream))
        while (piece := self.run(next_piece())) is not None:
            yield piece


def _inner(stream: Any) -> Any:
    return stream._stream if isinstance(stream, StreamFace) else stream


Side: TypeAlias = "SyncSide | AioSide"
SIDES: list[Side] = [SyncSide(), AioSide()]
