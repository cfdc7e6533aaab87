"""Shims: start and drive them, find those of a host, and write one that containerd runs.

::

    from toolkit import shim

    with shim.start("/tmp/bundle", id="web") as running:      # no containerd needed
        running.task.Create(id="web", bundle="/tmp/bundle")
        ...

    for found in shim.discover(): ...                          # every shim of this host
    with shim.connect("default", "web") as channel: ...        # one of them
    shim.run(MyTask, name="io.containerd.mine.v1")             # a shim's whole program

What is asked for is imported then: a shim's own process stays small.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.shim.driving.eventserver import EventServer
    from toolkit.shim.driving.eventserver_async import AsyncEventServer
    from toolkit.shim.driving.running import Shim
    from toolkit.shim.driving.running_async import AsyncShim
    from toolkit.shim.driving.start import start
    from toolkit.shim.driving.start_async import start_async
    from toolkit.shim.driving.starting import Exit, ShimFailed
    from toolkit.shim.events import Event
    from toolkit.shim.finding.ask import ask, ask_all
    from toolkit.shim.finding.ask_async import ask_all_async, ask_async
    from toolkit.shim.finding.connecting import ShimNotFound, connect, connect_async, find
    from toolkit.shim.finding.discovery import discover
    from toolkit.shim.finding.found import Found
    from toolkit.shim.finding.health import Answer, Health
    from toolkit.shim.finding.watching import Change, watch, watch_blocking
    from toolkit.shim.sandboxes.service import SandboxService
    from toolkit.shim.sandboxes.service_async import AsyncSandboxService
    from toolkit.shim.serving.context import ShimContext
    from toolkit.shim.serving.program import run
    from toolkit.shim.serving.publisher import Publisher
    from toolkit.shim.serving.publisher_async import AsyncPublisher
    from toolkit.shim.stats import decode_stats, summary
    from toolkit.shim.streams.named import StreamHub, open_stream
    from toolkit.shim.streams.named_async import AsyncStreamHub, open_stream_async

__all__ = [
    "Answer",
    "AsyncEventServer",
    "AsyncPublisher",
    "AsyncSandboxService",
    "AsyncShim",
    "AsyncStreamHub",
    "Change",
    "Event",
    "EventServer",
    "Exit",
    "Found",
    "Health",
    "Publisher",
    "SandboxService",
    "Shim",
    "ShimContext",
    "ShimFailed",
    "ShimNotFound",
    "StreamHub",
    "ask",
    "ask_all",
    "ask_all_async",
    "ask_async",
    "connect",
    "connect_async",
    "decode_stats",
    "discover",
    "find",
    "open_stream",
    "open_stream_async",
    "run",
    "start",
    "start_async",
    "summary",
    "watch",
    "watch_blocking",
]

_HOMES = {
    "Answer": "finding.health",
    "AsyncEventServer": "driving.eventserver_async",
    "AsyncPublisher": "serving.publisher_async",
    "AsyncSandboxService": "sandboxes.service_async",
    "AsyncShim": "driving.running_async",
    "AsyncStreamHub": "streams.named_async",
    "Change": "finding.watching",
    "Event": "events",
    "EventServer": "driving.eventserver",
    "Exit": "driving.starting",
    "Found": "finding.found",
    "Health": "finding.health",
    "Publisher": "serving.publisher",
    "SandboxService": "sandboxes.service",
    "Shim": "driving.running",
    "ShimContext": "serving.context",
    "ShimFailed": "driving.starting",
    "ShimNotFound": "finding.connecting",
    "StreamHub": "streams.named",
    "ask": "finding.ask",
    "ask_all": "finding.ask",
    "ask_all_async": "finding.ask_async",
    "ask_async": "finding.ask_async",
    "connect": "finding.connecting",
    "connect_async": "finding.connecting",
    "decode_stats": "stats",
    "discover": "finding.discovery",
    "find": "finding.connecting",
    "open_stream": "streams.named",
    "open_stream_async": "streams.named_async",
    "run": "serving.program",
    "start": "driving.start",
    "start_async": "driving.start_async",
    "summary": "stats",
    "watch": "finding.watching",
    "watch_blocking": "finding.watching",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = found  # asked for once
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
