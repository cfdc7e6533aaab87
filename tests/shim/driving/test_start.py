"""A shim that misbehaves is an error that says how, and leaves nothing; on both flavours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.driving.odd_shims import bundle, left_of, write_shim
from toolkit import sync
from toolkit.errors import ConnectFailed, SchemaError, ToolkitError
from toolkit.schema.load import load
from toolkit.shim.driving.start import start
from toolkit.shim.driving.start_async import start_async
from toolkit.shim.driving.starting import Exit, ShimFailed
from toolkit.shim.process import ProcessShim

if TYPE_CHECKING:
    from collections.abc import Callable


def create(shim: Any) -> None:
    with contextlib.suppress(ToolkitError):
        shim.task.Create(id="web", timeout=0.1)


async def create_async(shim: Any) -> None:
    with contextlib.suppress(ToolkitError):
        await shim.task.Create(id="web", timeout=0.1)


def blocking(place: Path, binary: str, act: Callable[[Any], Any] | None = None, **more: Any) -> Any:
    shim = start(place, id="web", binary=binary, **more)
    if act is None:
        return shim.stop()
    create(shim)
    return act(shim)


def in_asyncio(
    place: Path, binary: str, act: Callable[[Any], Any] | None = None, **more: Any
) -> Any:
    async def run() -> Any:
        shim = await start_async(place, id="web", binary=binary, **more)
        if act is None:
            return await shim.stop()
        await create_async(shim)
        return await act(shim)

    return asyncio.run(run())


both = pytest.mark.parametrize("run", [blocking, in_asyncio], ids=["sync", "asyncio"])


@both
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("noisy", "answered b'starting up, please wait.*does it write messages to its stdout"),
        ("fails", "start ended with status 3; it wrote: no such runtime"),
        ("killed", "start was killed by signal 9"),
        ("silent", "the shim answered nothing"),
        ("version 7", "version 7 of the task API; known are 2 and 3"),
        ("grpc", "speaks grpc at unix:///s; only ttrpc"),
        ("leaves one", "answered b'garbage"),
    ],
)
def test_a_start_that_goes_wrong_says_how_and_leaves_nothing(
    name: str, problem: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)

    with pytest.raises(ShimFailed, match=problem):
        run(place, write_shim(tmp_path, name))

    assert left_of(place) == []


@both
def test_a_start_that_hangs_is_ended(run: Callable[..., Any], tmp_path: Path) -> None:
    place = bundle(tmp_path)
    begun = time.monotonic()

    with pytest.raises(ShimFailed, match=r"start did not end within 0\.2 s"):
        run(place, write_shim(tmp_path, "hangs"), timeout=0.2)

    assert left_of(place) == []
    assert time.monotonic() - begun < 2  # it is not tried again in another form


@both
def test_a_shim_that_does_not_listen_where_it_says_is_an_error(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)

    with pytest.raises(ConnectFailed, match="/nowhere/s"):
        run(place, write_shim(tmp_path, "nowhere"))

    assert left_of(place) == []


@both
@pytest.mark.parametrize("name", ["dies in a call", "never answers"])
def test_a_shim_that_is_no_use_is_killed_and_cleaned_up_after(
    name: str, run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)

    ended = run(place, write_shim(tmp_path, name), lambda shim: shim.stop(timeout=0.3))

    assert ended == Exit(7, 183, 0)
    assert (place / "cleaned").exists()
    assert left_of(place) == []


@both
def test_killing_a_shim_cleans_up_without_asking_it(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)

    ended = run(place, write_shim(tmp_path, "never answers"), lambda shim: shim.kill())

    assert ended == Exit(7, 183, 0)
    assert left_of(place) == []


def test_a_started_shim_says_what_it_is(tmp_path: Path) -> None:
    place = bundle(tmp_path)
    shim = start(place, id="web", namespace="ns", binary=write_shim(tmp_path, "never answers"))

    try:
        assert (shim.id, shim.namespace, shim.version) == ("web", "ns", 2)
        assert shim.address == f"unix://{place}/s"
        assert shim.alive
        assert Path(f"/proc/{shim.pid}/cwd").readlink() == place
        assert repr(shim) == f"<Shim ns/web at unix://{place}/s>"
        create(shim)
    finally:
        shim.kill()
    assert [shim.alive, shim.channel.closed] == [False, True]
    assert shim.kill() == shim.stop() == Exit(7, 183, 0)


@both
def test_a_second_shim_for_one_container_is_refused_and_the_first_left_alone(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)
    binary = write_shim(tmp_path, "never answers")
    first = start(place, id="web", binary=binary)
    create(first)

    with pytest.raises(ShimFailed, match=f"another start has the bundle {place}"):
        run(place, binary)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    (other / "bootstrap.json").write_bytes((place / "bootstrap.json").read_bytes())
    with pytest.raises(ShimFailed, match=f"listens at unix://{place}/s already; shim.connect"):
        run(other, binary)

    assert first.alive
    assert not (place / "cleaned").exists()
    assert first.kill() == Exit(7, 183, 0)
    assert left_of(other) == ["bootstrap.json"]


@both
def test_a_shim_without_a_container_is_ended_without_its_delete(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """``delete`` ends whatever container has the id, and this start has made none."""
    place = bundle(tmp_path)

    async def kill_at_once() -> Any:
        shim = await start_async(place, id="web", binary=binary)
        return await shim.kill()

    binary = write_shim(tmp_path, "never answers")
    if run is blocking:
        assert start(place, id="web", binary=binary).kill() is None
    else:
        assert asyncio.run(kill_at_once()) is None

    assert not (place / "cleaned").exists()
    assert left_of(place) == []


@both
def test_what_others_have_put_into_a_bundle_stays(run: Callable[..., Any], tmp_path: Path) -> None:
    place = bundle(tmp_path)
    notes = {"bootstrap.json": b"{}", "address": b"unix:///nowhere", "shim-binary-path": b"/x"}
    for name, data in notes.items():
        (place / name).write_bytes(data)
    os.mkfifo(place / "log")

    with pytest.raises(ShimFailed):
        run(place, write_shim(tmp_path, "fails"))
    run(place, write_shim(tmp_path, "never answers"), lambda shim: shim.kill())

    assert {name: (place / name).read_bytes() for name in notes} == notes
    assert (place / "log").is_fifo()


@both
def test_a_shim_that_writes_without_end_is_ended(run: Callable[..., Any], tmp_path: Path) -> None:
    place = bundle(tmp_path)
    begun = time.monotonic()

    with pytest.raises(ShimFailed, match="did not end within 30 s"):
        run(place, write_shim(tmp_path, "endless"), timeout=30)

    assert time.monotonic() - begun < 10
    assert left_of(place) == []


def test_a_stop_that_is_cancelled_is_finished_first(tmp_path: Path) -> None:
    place = bundle(tmp_path)

    async def run() -> None:
        shim = await start_async(place, id="web", binary=write_shim(tmp_path, "never answers"))
        await create_async(shim)
        stopping = asyncio.create_task(shim.stop(timeout=0.3))
        await asyncio.sleep(0)
        stopping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopping
        assert await shim.stop() == Exit(7, 183, 0)

    asyncio.run(run())
    assert (place / "cleaned").exists()
    assert left_of(place) == []


def test_a_start_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    place = bundle(tmp_path)

    async def run() -> None:
        starting = asyncio.create_task(
            start_async(place, id="web", binary=write_shim(tmp_path, "hangs"))
        )
        while not any("sleep" in word for word in left_of(place)):  # noqa: ASYNC110  # of a program
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(run())
    assert left_of(place) == []


def test_a_schema_without_the_service_leaves_nothing(tmp_path: Path) -> None:
    place = bundle(tmp_path)
    binary = write_shim(tmp_path, "never answers 3")

    with pytest.raises(SchemaError, match="containerd.task.v3.Task"):
        start(place, id="web", binary=binary, schema=load("containerd@1.6"))

    assert left_of(place) == []
    assert [one.name for one in threading.enumerate() if one.name.startswith("shim-")] == []


def test_a_shim_that_is_shared_is_not_ended_with_one_of_its_containers(tmp_path: Path) -> None:
    """As two members of a pod: the second start gets the first one's address."""
    first_place, binary = bundle(tmp_path), write_shim(tmp_path, "never answers")
    first = start(first_place, id="web", binary=binary)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    joining = tmp_path / "containerd-shim-joining-v1"
    joining.write_text(f"#!/bin/sh\nprintf {first.address}\n")
    joining.chmod(0o755)

    # It is asked whether it has the container already.
    with pytest.raises(ShimFailed, match="is shared, and refuses: DEADLINE_EXCEEDED"):
        start(other, id="db", binary=str(joining), timeout=0.3)

    assert first.alive
    assert left_of(other) == []
    first.kill()


def test_a_shim_that_is_shared_gives_no_container_that_it_has_already(tmp_path: Path) -> None:
    process = ProcessShim()
    server = sync.Server()
    server.add(load("containerd").service("containerd.task.v2.Task"), process)
    place = bundle(tmp_path)
    (place / "config.json").write_text('{"process": {"args": ["sleep", "1000"], "cwd": "/"}}')
    with server.listen(f"unix://{tmp_path}/shared.sock") as listener:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        joining = tmp_path / "containerd-shim-joining-v1"
        joining.write_text(f"#!/bin/sh\nprintf {listener.address}\n")
        joining.chmod(0o755)

        with start(place, id="web", binary=str(joining)) as running:
            running.task.Create(id="web", bundle=str(place))
            other = tmp_path / "other"
            other.mkdir()
            (other / "config.json").write_text("{}")
            with pytest.raises(ShimFailed, match="is shared, and has a container 'web' already"):
                start(other, id="web", binary=str(joining))
            assert running.task.State(id="web").status == 1
    thread.join()
    process.close()


def test_a_shim_that_publishes_elsewhere_has_no_events_here(tmp_path: Path) -> None:
    binary = write_shim(tmp_path, "never answers")
    shim = start(bundle(tmp_path), id="web", binary=binary, ttrpc_address="unix:///run/x")

    with pytest.raises(ValueError, match="this shim publishes to /run/x"):
        _ = shim.events
    shim.kill()


@both
def test_a_bundle_or_a_program_that_is_not_there_is_named(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(ShimFailed, match=f"the bundle {tmp_path} has no config.json; `runc spec"):
        run(tmp_path, "true")
    with pytest.raises(ShimFailed, match=f"the bundle {tmp_path}/x is no folder"):
        run(tmp_path / "x", "true")
    place = bundle(tmp_path)
    with pytest.raises(ShimFailed, match="no program 'containerd-shim-what-v9' on PATH"):
        run(place, "io.containerd.what.v9")
    with pytest.raises(ShimFailed, match="no program '/nowhere/shim' there"):
        run(place, "/nowhere/shim")
    with pytest.raises(ValueError, match="form is 'json'; wanted one of protobuf, options"):
        run(place, "true", form="json")

    assert left_of(place) == []


@both
def test_a_folder_for_the_socket_that_is_too_long_is_refused(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)

    with pytest.raises(ToolkitError, match="longer than 106: .*a shorter socket folder helps"):
        run(place, write_shim(tmp_path, "silent"), socket_dir=f"/{'long' * 12}")

    assert left_of(place) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@both
def test_a_bundle_that_may_not_be_written_is_an_error(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    place = bundle(tmp_path)
    place.chmod(0o500)

    with pytest.raises((OSError, ToolkitError), match="bundle"):
        run(place, write_shim(tmp_path, "silent"))
