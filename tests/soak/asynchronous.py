"""The asyncio flavour: tasks that call, stream, fail, run out of time and are cancelled."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from tests.soak.traces import Traces, complain
from tests.support.echo import ECHO
from toolkit import aio
from toolkit.errors import DeadlineExceeded, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["run"]

_TASKS = 32


class Handlers:
    """Every kind of call."""

    async def Unary(self, request: Any, context: Any) -> Any:
        if request.text == "slow":
            await asyncio.sleep(60)
        if request.text == "fail":
            raise RpcError(Code.ABORTED, "as asked")
        return request

    async def Collect(self, requests: Any, context: Any) -> Any:
        return {"number": len([request async for request in requests])}

    async def Expand(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.number):
            yield {"number": number}

    async def Chat(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield request


def run(calls: int, folder: str) -> tuple[float, list[str]]:
    """Make this many calls; calls a second, and what is wrong afterwards."""
    return asyncio.run(_run(calls, folder))


async def _run(calls: int, folder: str) -> tuple[float, list[str]]:
    server = aio.Server()
    server.add(ECHO, Handlers())
    listener = server.listen(f"unix://{folder}/soak.sock")
    async with aio.connect(listener.address) as channel:
        await _calls(channel, calls // 10)
        before, tasks = Traces.now(), len(asyncio.all_tasks())
        start = time.monotonic()
        await _calls(channel, calls)
        rate = calls / (time.monotonic() - start)
        # The server learns of a cancelled call by its deadline: cancelling does not travel.
        await asyncio.sleep(1)
        found = complain(before, Traces.now())
        if len(asyncio.all_tasks()) > tasks + 16:  # what a server keeps for the next burst
            found.append(f"{len(asyncio.all_tasks()) - tasks} tasks more")
        found += [f"{stream} is in the client's table" for stream in channel._session.wire.streams]
        if len(channel._deadlines) > 2000:
            found.append(f"{len(channel._deadlines)} deadlines are kept")
        for connection in server._connections:
            found += [f"{call} is in the server's table" for call in connection._session.calls]
    if await server.shutdown(10):
        found.append("shutdown had to cut calls")
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        found.append(f"{len(left)} tasks after the end: {left}")
    return rate, found


async def _calls(channel: aio.Channel, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(_TASKS):
            group.create_task(_share(channel, count // _TASKS))


async def _share(channel: aio.Channel, count: int) -> None:
    for number in range(count):
        await _one(channel, number % 50)


async def _one(channel: aio.Channel, kind: int) -> None:
    if kind == 0:
        await _expect(DeadlineExceeded, channel, {"text": "slow"}, timeout=0.003)
    elif kind == 1:
        task = asyncio.ensure_future(channel.call(ECHO["Unary"], {"text": "slow"}, timeout=0.5))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    elif kind < 4:
        await _expect(RpcError, channel, {"text": "fail"})
    elif kind < 6:
        async with channel.stream(ECHO["Collect"]) as stream:
            for _ in range(3):
                await stream.send()
            await stream.close_send()
            assert (await stream.receive()).number == 3
    elif kind < 8:
        async with channel.stream(ECHO["Expand"], {"number": 5}) as stream:
            await stream.receive()  # and leave early
    elif kind < 10:
        async with channel.stream(ECHO["Chat"], timeout=5) as stream:
            await stream.send({"text": "a"})
            assert (await stream.receive()).text == "a"
            await stream.close_send()
            assert await stream.receive() is None
    else:
        timeout = 5 if kind % 2 else None
        reply = await channel.call(ECHO["Unary"], {"number": kind}, timeout=timeout)
        assert reply.number == kind


async def _expect(
    error: type[Exception], channel: aio.Channel, message: Any, **options: Any
) -> None:
    try:
        await channel.call(ECHO["Unary"], message, **options)
    except error:
        return
    raise AssertionError(f"{message} did not fail")
