"""Ask shims whether they are well: for asyncio."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from toolkit import aio
from toolkit.errors import RpcError, ToolkitError
from toolkit.schema.load import load
from toolkit.shim.finding.health import AT_ONCE, LIVELY, LIVELY_FOR, TIMEOUT, Asking, Health

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.schema.pool import Schema
    from toolkit.shim.finding.found import Found

__all__ = ["ask_all_async", "ask_async", "ask_over_async"]


async def ask_async(
    found: Found,
    *,
    question: str = "Connect",
    timeout: float = TIMEOUT,
    schema: Schema | None = None,
) -> Health:
    """Connect to a shim and ask it; never raises for what the shim does.

    Args:
        found: the shim.
        question: Connect, State or Pids.
        timeout: seconds for all of it.
        schema: of the Task services; the newest containerd's fits every shim.
    """
    known = schema if schema is not None else load("containerd")  # before the clock starts
    asking = Asking(found, known, now=time.monotonic(), timeout=timeout, question=question)
    unasked = asking.unasked()
    if unasked is not None:
        return unasked
    try:
        async with aio.connect(found.address, timeout=timeout) as channel:
            return await ask_over_async(channel, asking)
    except (ToolkitError, OSError) as exc:  # OSError: no descriptor is left
        return asking.failed(exc)


async def ask_over_async(channel: aio.Channel, asking: Asking) -> Health:
    """Ask over a channel that is there.

    Raises:
        ToolkitError: the connection went away, or the peer broke the protocol.
    """
    while True:
        left = asking.left(time.monotonic())
        try:
            reply = await channel.call(
                asking.method, asking.request, timeout=left, metadata=asking.metadata
            )
        except RpcError as exc:
            health = asking.refused(exc, time.monotonic())
        else:
            health = asking.answered(reply, time.monotonic())
        if health is not None:
            return health


async def ask_all_async(
    shims: Sequence[Found],
    *,
    timeout: float = TIMEOUT,
    at_once: int = AT_ONCE,
    schema: Schema | None = None,
) -> list[Health]:
    """Ask them all, many at a time, and return the answers in their order.

    That takes at most ``timeout`` for every ``at_once`` of them.
    """
    known = schema if schema is not None else load("containerd")
    room, lively = asyncio.Semaphore(at_once), asyncio.Semaphore(LIVELY)

    async def one(found: Found) -> Health:
        async with room:
            async with lively:
                asking = asyncio.ensure_future(ask_async(found, timeout=timeout, schema=known))
                try:
                    await asyncio.wait([asking], timeout=LIVELY_FOR)
                except BaseException:
                    asking.cancel()
                    await asyncio.wait([asking])
                    raise
            return await asking

    async with asyncio.TaskGroup() as group:  # unlike gather, it awaits the ends of all
        tasks = [group.create_task(one(found)) for found in shims]
    return [task.result() for task in tasks]
