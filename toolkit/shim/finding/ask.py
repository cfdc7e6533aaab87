"""Ask shims whether they are well: for blocking callers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolkit import sync
from toolkit.errors import RpcError, ToolkitError
from toolkit.schema.load import load
from toolkit.shim.finding.health import AT_ONCE, LIVELY, LIVELY_FOR, TIMEOUT, Asking, Health

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from toolkit.schema.pool import Schema
    from toolkit.shim.finding.found import Found

__all__ = ["ask", "ask_all", "ask_over"]


def ask(
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
        with sync.connect(found.address, timeout=timeout) as channel:
            return ask_over(channel, asking)
    except (ToolkitError, OSError) as exc:  # OSError: no descriptor is left
        return asking.failed(exc)


def ask_over(channel: sync.Channel, asking: Asking) -> Health:
    """Ask over a channel that is there.

    Raises:
        ToolkitError: the connection went away, or the peer broke the protocol.
    """
    while True:
        left = asking.left(time.monotonic())
        try:
            reply = channel.call(
                asking.method, asking.request, timeout=left, metadata=asking.metadata
            )
        except RpcError as exc:
            health = asking.refused(exc, time.monotonic())
        else:
            health = asking.answered(reply, time.monotonic())
        if health is not None:
            return health


def ask_all(
    shims: Sequence[Found],
    *,
    timeout: float = TIMEOUT,
    at_once: int = AT_ONCE,
    schema: Schema | None = None,
) -> list[Health]:
    """Ask them all, many at a time, and return the answers in their order.

    That takes at most ``timeout`` for every ``at_once`` of them.
    """
    if not shims:
        return []
    from concurrent.futures import ThreadPoolExecutor

    known = schema if schema is not None else load("containerd")  # once, before the threads
    pool = ThreadPoolExecutor(min(at_once, len(shims)))
    lively: dict[Future[Health], float] = {}
    asked = []
    try:
        for found in shims:
            future = pool.submit(ask, found, timeout=timeout, schema=known)
            asked.append(future)
            lively[future] = time.monotonic()
            _calm(lively)
        return [future.result() for future in asked]
    finally:
        pool.shutdown(cancel_futures=True)


def _calm(lively: dict[Future[Health], float]) -> None:
    """Wait until there are few that may be about to answer."""
    from concurrent.futures import FIRST_COMPLETED, wait

    while len(lively) >= LIVELY:
        oldest, since = next(iter(lively.items()))
        left = since + LIVELY_FOR - time.monotonic()
        if left <= 0:
            del lively[oldest]
            continue
        for future in wait(lively, left, FIRST_COMPLETED).done:
            del lively[future]
