"""Our clients under load: how many calls or messages they make in a second."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.bench.loops import LOOPS
from tests.bench.programs import TURN
from tests.interop.service import INTEROP, Item
from toolkit import aio, sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.method import Method

__all__ = ["ECHO", "AioLoad", "SyncLoad", "aio_load", "item", "sync_load"]

ECHO, COUNT, SUM, CHAT = (INTEROP[name] for name in ("Echo", "Count", "Sum", "Chat"))

_BATCH = 10_000  # messages a stream, as in the peers' programs: it cannot be stopped half way


def item(size: int) -> Any:
    """A message with this many bytes of data."""
    return Item(data=bytes(size))


class SyncLoad:
    """A blocking channel; each method works for a turn and says how fast it was."""

    def __init__(self, channel: sync.Channel) -> None:
        self._channel = channel

    def unary(self, size: int = 32, seconds: float = TURN) -> float:
        """Calls in a second, one after another."""
        call, message, clock = self._channel.call, item(size), time.perf_counter
        count, start = 0, clock()
        while clock() - start < seconds:
            call(ECHO, message)
            count += 1
        return count / (clock() - start)

    def receive(self) -> float:
        """Messages received in a second."""
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < TURN:
            with self._channel.stream(COUNT, {"count": _BATCH, "size": 32}) as stream:
                count += sum(1 for _ in stream)
        return count / (time.perf_counter() - start)

    def send(self) -> float:
        """Messages sent in a second, and seen by the server."""
        message, clock = item(32), time.perf_counter
        count, start = 0, clock()
        with self._channel.stream(SUM) as stream:
            while clock() - start < TURN:
                stream.send(message)
                count += 1
            stream.close_send()
            assert stream.receive().items == count
        return count / (clock() - start)

    def pingpong(self) -> float:
        """Messages sent and answered in a second."""
        message, clock = item(32), time.perf_counter
        count, start = 0, clock()
        with self._channel.stream(CHAT) as stream:
            while clock() - start < TURN:
                stream.send(message)
                stream.receive()
                count += 1
            stream.close_send()
        return count / (clock() - start)


class AioLoad:
    """The same for an asyncio channel, whose loop runs for the turns only."""

    def __init__(self, runner: asyncio.Runner, channel: aio.Channel) -> None:
        self._runner = runner
        self._channel = channel

    def unary(self, callers: int, size: int = 32, seconds: float = TURN) -> float:
        """Calls in a second, this many in flight."""
        return self._runner.run(self._unary(callers, size, seconds))

    def receive(self) -> float:
        """Messages received in a second."""
        return self._runner.run(self._receive())

    def send(self) -> float:
        """Messages sent in a second, and seen by the server."""
        return self._runner.run(self._send())

    def pingpong(self) -> float:
        """Messages sent and answered in a second."""
        return self._runner.run(self._pingpong())

    async def _unary(self, callers: int, size: int, seconds: float) -> float:
        start = time.perf_counter()
        ends = [_calls(self._channel, ECHO, item(size), start + seconds) for _ in range(callers)]
        count = sum(await asyncio.gather(*ends))
        return count / (time.perf_counter() - start)

    async def _receive(self) -> float:
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < TURN:
            async with self._channel.stream(COUNT, {"count": _BATCH, "size": 32}) as stream:
                async for _ in stream:
                    count += 1
        return count / (time.perf_counter() - start)

    async def _send(self) -> float:
        message, clock = item(32), time.perf_counter
        count, start = 0, clock()
        async with self._channel.stream(SUM) as stream:
            while clock() - start < TURN:
                await stream.send(message)
                count += 1
            await stream.close_send()
            assert (await stream.receive()).items == count
        return count / (clock() - start)

    async def _pingpong(self) -> float:
        message, clock = item(32), time.perf_counter
        count, start = 0, clock()
        async with self._channel.stream(CHAT) as stream:
            while clock() - start < TURN:
                await stream.send(message)
                await stream.receive()
                count += 1
            await stream.close_send()
        return count / (clock() - start)


async def _calls(channel: aio.Channel, method: Method, message: Any, until: float) -> int:
    call, clock, count = channel.call, time.perf_counter, 0
    while clock() < until:
        await call(method, message)
        count += 1
    return count


@contextmanager
def sync_load(address: str) -> Iterator[SyncLoad]:
    """A blocking channel to a server."""
    with sync.connect(address) as channel:
        yield SyncLoad(channel)


@contextmanager
def aio_load(address: str, loop: str = "aio") -> Iterator[AioLoad]:
    """An asyncio channel to a server, on a loop of that name."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        channel = runner.run(_connect(address))
        try:
            yield AioLoad(runner, channel)
        finally:
            runner.run(_close(channel))


async def _connect(address: str) -> aio.Channel:
    return await aio.connect(address)


async def _close(channel: aio.Channel) -> None:
    channel.close()
    await channel.wait_closed()
