"""What a shim publishes is received in order by both flavours, and never fills the memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import toolkit
from toolkit import aio, sync
from toolkit.shim import topics
from toolkit.shim.driving import eventserver, eventserver_async
from toolkit.shim.driving.eventserver import EVENTS_SERVICE, EventServer
from toolkit.shim.driving.eventserver_async import AsyncEventServer
from toolkit.shim.events import make_envelope

if TYPE_CHECKING:
    import pytest

    from toolkit.schema.method import Method

SCHEMA = toolkit.load("containerd")


def forward() -> Method:
    return SCHEMA.service(EVENTS_SERVICE)["Forward"]


def envelope(pid: int) -> Any:
    event = SCHEMA.message("containerd.events.TaskStart")(container_id="web", pid=pid)
    return {"envelope": make_envelope("default", event)}


def pids(found: list[Any]) -> list[int]:
    assert {one.topic for one in found} <= {topics.TASK_START}
    return [one.message.pid for one in found]


def test_events_come_in_order_and_can_be_taken_after_the_end() -> None:
    with EventServer() as events:
        assert Path(events.address.removeprefix("unix://")).is_socket()
        with sync.connect(events.address) as channel:
            for pid in range(5):
                channel.call(forward(), envelope(pid))
        first = events.get(timeout=5)
        assert first is not None
        assert (first.namespace, first.message.pid) == ("default", 0)

    assert pids(list(events)) == [1, 2, 3, 4]
    assert events.get() is None
    assert not Path(events.address.removeprefix("unix://")).exists()
    events.close()


def test_without_an_event_get_gives_none_in_time() -> None:
    with EventServer() as events:
        assert events.get(timeout=0.01) is None


def test_events_that_nobody_takes_are_dropped_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eventserver, "KEPT", 3)
    with EventServer() as events, sync.connect(events.address) as channel:
        for pid in range(5):
            channel.call(forward(), envelope(pid))

        assert events.dropped == 2
        found = [events.get(timeout=5) for _ in range(3)]
        assert pids(found) == [2, 3, 4]


def test_asyncio_receives_the_same() -> None:
    async def run() -> None:
        async with AsyncEventServer() as events:
            async with aio.connect(events.address) as channel:
                for pid in range(3):
                    await channel.call(forward(), envelope(pid))
            first = await events.get(timeout=5)
            assert first is not None
            assert first.message.pid == 0
            waiting = asyncio.create_task(_all(events))
            await asyncio.sleep(0)
        assert pids(await waiting) == [1, 2]
        assert await events.get(timeout=0.01) is None
        addresses.append(events.address)

    addresses: list[str] = []
    asyncio.run(run())
    assert not Path(addresses[0].removeprefix("unix://")).exists()


async def _all(events: AsyncEventServer) -> list[Any]:
    return [event async for event in events]


def test_asyncio_drops_the_oldest_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventserver_async, "KEPT", 2)

    async def run() -> None:
        async with AsyncEventServer() as events, aio.connect(events.address) as channel:
            for pid in range(5):
                await channel.call(forward(), envelope(pid))
            assert events.dropped == 3
            assert pids([await events.get(), await events.get()]) == [3, 4]

    asyncio.run(run())


def test_a_request_that_holds_no_event_is_no_end_of_the_server() -> None:
    with EventServer() as events, sync.connect(events.address) as channel:
        channel.call(forward(), {})
        channel.call(forward(), envelope(7))
        found = [events.get(timeout=5), events.get(timeout=5)]

    assert found[1] is not None
    assert found[1].message.pid == 7
