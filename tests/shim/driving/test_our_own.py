"""Both sides of ours together: the process shim, started and driven without containerd."""

from __future__ import annotations

import asyncio
import json
import runpy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolkit.shim import topics
from toolkit.shim.driving.start import start
from toolkit.shim.driving.start_async import start_async

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[3] / "examples" / "process_shim.py"
LIFE = [topics.TASK_CREATE, topics.TASK_START, topics.TASK_EXIT, topics.TASK_DELETE]


@pytest.fixture
def binary(tmp_path: Path) -> str:
    """The example, installed as its own words say."""
    runpy.run_path(str(EXAMPLE))["install"](str(tmp_path))
    return str(tmp_path / "containerd-shim-process-v1")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A bundle whose program says hello and ends with 3."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    process = {"args": ["sh", "-c", "echo hello; exit 3"], "cwd": "/", "env": ["PATH=/bin"]}
    (folder / "config.json").write_text(json.dumps({"process": process}))
    (folder / "out").touch()
    return folder


@pytest.fixture
def sockets() -> Iterator[str]:
    """A folder with a short path."""
    with tempfile.TemporaryDirectory() as folder:
        yield folder
        assert list(Path(folder).glob("[0-9a-f]*")) == []


def test_our_shim_lives_and_ends_under_our_start(binary: str, place: Path, sockets: str) -> None:
    out = str(place / "out")
    with start(place, id="web", binary=binary, socket_dir=sockets) as shim:
        created = shim.task.Create(id="web", bundle=str(place), stdout=out, stderr=out)
        shim.task.Start(id="web")
        assert shim.task.Wait(id="web", timeout=10).exit_status == 3
        assert shim.version == 3
        assert shim.task.Connect(id="web").shim_pid == shim.pid
    ended = shim.stop()

    assert ended is not None
    assert ended[:2] == (created.pid, 3)
    assert (place / "out").read_text() == "hello\n"
    assert [event.topic for event in shim.events] == LIFE


def test_our_shim_is_killed_and_its_delete_ends_the_process(
    binary: str, place: Path, sockets: str
) -> None:
    spec = {"process": {"args": ["sleep", "1000"], "cwd": "/", "env": ["PATH=/bin"]}}
    (place / "config.json").write_text(json.dumps(spec))
    with start(place, id="web", binary=binary, socket_dir=sockets) as shim:
        created = shim.task.Create(id="web", bundle=str(place))
        shim.task.Start(id="web")
        ended = shim.kill()

    assert ended is not None
    assert (ended.pid, ended.status) == (created.pid, 128 + 9)
    state = Path(f"/proc/{created.pid}/stat")
    assert not state.exists() or ") Z " in state.read_text()


def test_asyncio_drives_it_too(binary: str, place: Path, sockets: str) -> None:
    async def run() -> list[str]:
        running = await start_async(place, id="web", binary=binary, socket_dir=sockets)
        async with running as shim:
            await shim.task.Create(id="web", bundle=str(place))
            await shim.task.Start(id="web")
            assert (await shim.task.Wait(id="web", timeout=10)).exit_status == 3
        return [event.topic async for event in shim.events]

    assert asyncio.run(run()) == LIFE
