"""Shims as they appear and go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.shim.finding.lookalike import Bundle, lookalike, unused_namespace
from toolkit.shim.finding.watching import watch, watch_blocking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.shim.finding.watching import Change

MS = 0.001
OFTEN = 20 * MS
NEVER = 3600.0  # seconds; what is seen before is seen by itself
PATIENCE = 10.0


@pytest.fixture
def namespace() -> str:
    return unused_namespace()


async def following(changes: AsyncIterator[Change]) -> tuple[str, str]:
    change = await asyncio.wait_for(anext(changes), PATIENCE)
    return change.kind, change.shim.id


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_those_that_live_come_first(tmp_path: Path, namespace: str) -> None:
    async def look() -> tuple[str, str]:
        async with contextlib.aclosing(watch(state=tmp_path)) as changes:
            return await following(changes)

    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
    Bundle(tmp_path, namespace, "dead").says(f"unix://{tmp_path}/none")
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s"):
        assert asyncio.run(look()) == ("appeared", "web")


def test_the_end_of_a_process_is_seen_at_once(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        async with contextlib.aclosing(watch(NEVER, state=tmp_path)) as changes:
            assert await following(changes) == ("appeared", "web")
            os.kill(pid, signal.SIGKILL)
            assert await following(changes) == ("gone", "web")

    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        asyncio.run(look())


def test_the_ends_of_later_processes_are_seen_at_once_too(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        alive = stack.enter_context(started("c0"))
        async with contextlib.aclosing(watch(NEVER, state=tmp_path)) as changes:
            assert await following(changes) == ("appeared", "c0")
            for number in range(1, 5):  # descriptors are used again from the third on
                pid = stack.enter_context(started(f"c{number}"))
                os.kill(alive, signal.SIGKILL)
                assert await following(changes) == ("gone", f"c{number - 1}")
                assert await following(changes) == ("appeared", f"c{number}")
                alive = pid

    def started(name: str) -> contextlib.AbstractContextManager[int]:
        path = f"{tmp_path}/{name}"
        bundle = Bundle(tmp_path, namespace, name).says(f"unix://{path}").path
        return lookalike(namespace, name, bundle=bundle, socket=path)

    with contextlib.ExitStack() as stack:
        asyncio.run(look())


def test_a_shim_that_starts_is_seen_in_the_interval(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        async with contextlib.aclosing(watch(OFTEN, state=tmp_path)) as changes:
            waiting = asyncio.ensure_future(following(changes))
            await asyncio.sleep(0)
            bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
            stack.enter_context(lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s"))
            assert await waiting == ("appeared", "web")

    with contextlib.ExitStack() as stack:
        asyncio.run(look())


def test_a_container_of_a_shared_shim_comes_and_goes(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        async with contextlib.aclosing(watch(OFTEN, state=tmp_path)) as changes:
            assert await following(changes) == ("appeared", "pause")
            app = Bundle(tmp_path, namespace, "app").says(f"unix://{tmp_path}/s").path
            assert await following(changes) == ("appeared", "app")
            shutil.rmtree(app)
            assert await following(changes) == ("gone", "app")

    bundle = Bundle(tmp_path, namespace, "pause").says(f"unix://{tmp_path}/s").path
    with lookalike(namespace, "pause", bundle=bundle, socket=f"{tmp_path}/s"):
        asyncio.run(look())


def test_an_address_that_comes_late_is_seen(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        async with contextlib.aclosing(watch(OFTEN, state=tmp_path)) as changes:
            waiting = asyncio.ensure_future(following(changes))
            bundle = Bundle(tmp_path, namespace, "web")
            await asyncio.sleep(5 * OFTEN)  # it is looked at without one
            bundle.says(f"unix://{tmp_path}/s")
            assert await waiting == ("appeared", "web")

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        asyncio.run(look())


def test_only_the_namespace_that_was_asked_for_is_watched(tmp_path: Path, namespace: str) -> None:
    async def look() -> tuple[str, str]:
        async with contextlib.aclosing(watch(state=tmp_path, namespace=f"{namespace}b")) as changes:
            return await following(changes)

    with contextlib.ExitStack() as stack:
        for space in ("a", "b"):
            path = f"{tmp_path}/{space}"
            bundle = Bundle(tmp_path, f"{namespace}{space}", space).says(f"unix://{path}").path
            stack.enter_context(lookalike(f"{namespace}{space}", space, bundle=bundle, socket=path))
        assert asyncio.run(look()) == ("appeared", "b")


def test_leaving_leaves_nothing(tmp_path: Path, namespace: str) -> None:
    async def look() -> None:
        async with contextlib.aclosing(watch(NEVER, state=tmp_path)) as changes:
            await following(changes)
            waiting = asyncio.ensure_future(anext(changes))
            await asyncio.sleep(OFTEN)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s"):
        before = open_descriptors()
        asyncio.run(look())
        assert open_descriptors() == before


def test_blocking_callers_see_the_same(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path

    before = open_descriptors()
    with (
        lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid,
        contextlib.closing(watch_blocking(NEVER, state=tmp_path)) as changes,
    ):
        seen = [next(changes)]
        started = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        seen.append(next(changes))

    assert [(one.kind, one.shim.id, one.shim.pid) for one in seen] == [
        ("appeared", "web", pid),
        ("gone", "web", pid),
    ]
    assert time.monotonic() - started < PATIENCE
    assert open_descriptors() == before
