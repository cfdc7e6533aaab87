"""A shim that misbehaves is an error that says how, and leaves nothing; on both flavours."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.driving.odd_shims import bundle, left_of, write_shim
from toolkit.errors import ConnectFailed, ToolkitError
from toolkit.shim.driving.start import start
from toolkit.shim.driving.start_async import start_async
from toolkit.shim.driving.starting import Exit, ShimFailed

if TYPE_CHECKING:
    from collections.abc import Callable


def blocking(place: Path, binary: str, act: Callable[[Any], Any] | None = None, **more: Any) -> Any:
    shim = start(place, id="web", binary=binary, **more)
    return act(shim) if act is not None else shim.stop()


def in_asyncio(
    place: Path, binary: str, act: Callable[[Any], Any] | None = None, **more: Any
) -> Any:
    async def run() -> Any:
        shim = await start_async(place, id="web", binary=binary, **more)
        return await (act(shim) if act is not None else shim.stop())

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

    with pytest.raises(ShimFailed, match=r"start did not end within 0\.2 s"):
        run(place, write_shim(tmp_path, "hangs"), timeout=0.2, form="options")

    assert left_of(place) == []


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
