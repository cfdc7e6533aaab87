"""A handler that blocks, as Wait does, and what becomes of the other calls of its client."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from tests.bench.clients import ECHO, item
from tests.bench.programs import OURS, running
from tests.bench.row import Row
from tests.interop.service import INTEROP
from toolkit import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.sync import Channel

__all__ = ["rows"]

_SLEEP = INTEROP["Sleep"]
_MILLISECONDS = 60  # that the handler blocks
_BLOCKED = 10  # such calls in a round; the worst delay counts
_LIMIT = 10  # milliseconds


def rows(rounds: int) -> Iterator[Row]:
    """The longest that a call took while a handler of the same connection blocked."""
    with running(OURS["sync"]) as address, sync.connect(address) as channel:
        _worst(channel)  # the first pays for caches
        yield Row(
            f"longest call beside a handler that blocks, our sync server, worst of {_BLOCKED}",
            [_worst(channel) for _ in range(rounds)],
            unit="ms",
            limit=_LIMIT,
        )


def _worst(channel: Channel) -> float:
    return max(_delay(channel) for _ in range(_BLOCKED))


def _delay(channel: Channel) -> float:
    blocked = threading.Thread(target=channel.call, args=(_SLEEP, {"milliseconds": _MILLISECONDS}))
    sent = channel.counters.frames_sent
    blocked.start()
    while channel.counters.frames_sent == sent:
        time.sleep(0)  # until the call that blocks is ahead of the other
    longest = 0.0
    end = time.perf_counter() + _MILLISECONDS / 2000
    while (start := time.perf_counter()) < end:
        channel.call(ECHO, item(32))
        longest = max(longest, time.perf_counter() - start)
    blocked.join()
    return longest * 1000
