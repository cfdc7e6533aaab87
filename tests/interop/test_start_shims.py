"""A container's whole life under the runc shim of every line, without containerd."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.interop.containerd import search_path
from tests.interop.needs import need_programs, need_root, unavailable
from tests.interop.peers import program
from toolkit.errors import ToolkitError
from toolkit.schema.load import load
from toolkit.shim import topics
from toolkit.shim.driving.start import start
from toolkit.shim.driving.start_async import start_async
from toolkit.shim.driving.starting import Exit, Order, ShimFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SHIMS = {
    "1.6": Path("/usr/bin/containerd-shim-runc-v2"),
    **{
        line: program(f"runc-shim/{line}/containerd-shim-runc-v2")
        for line in ("1.5", "1.7", "2.0", "2.1", "2.2", "2.3", "2.4")
    },
}
NAMESPACE = f"ttrpc-start-{os.getpid()}"


class Lived(NamedTuple):
    """What came of a container."""

    version: int
    output: str
    state: Any
    waited: Any
    exit: Exit | None
    topics: list[str]
    pids: tuple[int, int]


def life(bundle: Path, binary: Path, **more: Any) -> Lived:
    with start(bundle, id="web", namespace=NAMESPACE, binary=str(binary), **more) as shim:
        out = bundle / "out"
        out.touch()
        created = shim.task.Create(id="web", bundle=str(bundle), stdout=str(out), stderr=str(out))
        shim.task.Start(id="web")
        waited = shim.task.Wait(id="web", timeout=10)
        state = shim.task.State(id="web")
        pids = shim.pid, created.pid
    topics = [event.topic for event in shim.events]
    return Lived(shim.version, out.read_text(), state, waited, shim.stop(), topics, pids)


def life_in_asyncio(bundle: Path, binary: Path, **more: Any) -> Lived:
    async def run() -> Lived:
        running = await start_async(
            bundle, id="web", namespace=NAMESPACE, binary=str(binary), **more
        )
        async with running as shim:
            out = bundle / "out"
            out.touch()
            created = await shim.task.Create(
                id="web", bundle=str(bundle), stdout=str(out), stderr=str(out)
            )
            await shim.task.Start(id="web")
            waited = await shim.task.Wait(id="web", timeout=10)
            state = await shim.task.State(id="web")
            pids = shim.pid, created.pid
        topics = [event.topic async for event in shim.events]
        ended = await shim.stop()
        return Lived(shim.version, out.read_text(), state, waited, ended, topics, pids)

    return asyncio.run(run())


both = pytest.mark.parametrize("live", [life, life_in_asyncio], ids=["sync", "asyncio"])


@pytest.fixture
def bundle(tmp_path: Path) -> Iterator[Path]:
    """A bundle that says hello and ends with 7; nothing of it is left at the end."""
    need_root()
    need_programs(["runc", "busybox"], path=search_path())
    place = tmp_path / "bundle"
    (place / "rootfs" / "bin").mkdir(parents=True)
    busybox = shutil.which("busybox", path=search_path())
    assert busybox is not None
    shutil.copy(busybox, place / "rootfs" / "bin")
    script = "echo hello; exit 7"
    (place / "config.json").write_text(json.dumps(spec("/bin/busybox", "sh", "-c", script)))
    before = _sockets()
    yield place
    assert _processes(place) == []
    assert _mounts(place) == []
    assert _sockets() - before == set()
    assert _left(place) == []
    for folder in (Path("/run/containerd/runc") / NAMESPACE, *_cgroups()):
        if folder.exists():
            folder.rmdir()


def spec(*args: str) -> dict[str, Any]:
    """As little as runc takes."""
    kinds = ["pid", "ipc", "uts", "mount", "network"]
    return {
        "ociVersion": "1.0.2",
        "process": {"args": args, "cwd": "/", "user": {"uid": 0, "gid": 0}},
        "root": {"path": "rootfs"},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }


def _processes(place: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_text()
                if (entry / "cwd").readlink() == place or NAMESPACE in words:
                    found.append(words)
            except OSError:
                continue
    return found


def _mounts(place: Path) -> list[str]:
    return [line for line in Path("/proc/mounts").read_text().splitlines() if str(place) in line]


def _sockets() -> set[Path]:
    return set(Path("/run/containerd/s").glob("*"))


def _left(place: Path) -> list[str]:
    """What of ours is left in the bundle; the shim's own notes are containerd's to remove."""
    names = ("log", "address", "bootstrap.json", "shim-binary-path")
    return [name for name in names if (place / name).exists()]


def _cgroups() -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").glob(f"**/{NAMESPACE}") if path.is_dir()]


def need(line: str) -> Path:
    if not SHIMS[line].exists():
        unavailable(f"there is no {SHIMS[line]} here")
    return SHIMS[line]


@both
@pytest.mark.parametrize("line", SHIMS)
def test_a_container_lives_and_ends_under_every_shim(
    line: str, live: Callable[..., Lived], bundle: Path
) -> None:
    lived = live(bundle, need(line))

    assert lived.version == (3 if line >= "2.0" else 2)
    assert lived.output == "hello\n"
    assert (lived.state.id, lived.state.status, lived.state.exit_status) == ("web", 3, 7)
    assert lived.waited.exit_status == 7
    assert lived.exit is not None
    assert lived.exit[:2] == (lived.pids[1], 7)
    assert lived.exit.at == lived.waited.exited_at.seconds * 10**9 + lived.waited.exited_at.nanos
    # The shim of 2.4 may send the last two in either order.
    assert lived.topics[:2] == [topics.TASK_CREATE, topics.TASK_START]
    assert sorted(lived.topics[2:]) == [topics.TASK_DELETE, topics.TASK_EXIT]
    assert lived.pids[0] != 0


@pytest.mark.parametrize(
    ("line", "form"),
    [("1.5", "options"), ("2.2", "options"), ("2.3", "protobuf"), ("2.4", "protobuf")],
)
def test_a_go_shim_is_told_what_its_own_descriptors_know(
    line: str, form: str, bundle: Path
) -> None:
    order = Order.of(bundle, id="web", binary=str(need(line)))

    assert order.forms(load("containerd")) == [form]


@both
@pytest.mark.parametrize("line", ["1.6", "2.4"])
def test_a_container_that_runs_is_killed_at_the_end(
    line: str, live: Callable[..., Lived], bundle: Path
) -> None:
    (bundle / "config.json").write_text(json.dumps(spec("/bin/busybox", "sleep", "1000")))
    shim = start(bundle, id="web", namespace=NAMESPACE, binary=str(need(line)))
    shim.task.Create(id="web", bundle=str(bundle))
    shim.task.Start(id="web")

    ended = shim.stop()

    assert ended is not None
    assert ended.status == 128 + 9
    assert shim.stop() == ended


@pytest.mark.parametrize("line", ["1.5", "1.6", "1.7", "2.0", "2.4"])
def test_what_a_killed_shim_leaves_is_cleaned_up(line: str, bundle: Path) -> None:
    (bundle / "config.json").write_text(json.dumps(spec("/bin/busybox", "sleep", "1000")))
    with start(bundle, id="web", namespace=NAMESPACE, binary=str(need(line))) as shim:
        shim.task.Create(id="web", bundle=str(bundle))
        shim.task.Start(id="web")
        ended = shim.kill()

    assert ended is not None
    assert ended.status == 128 + 9


def test_options_and_a_folder_for_the_socket_reach_the_shim(bundle: Path, tmp_path: Path) -> None:
    binary = tmp_path / "my-runc"
    real = shutil.which("runc", path=search_path())
    binary.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexec {real} "$@"\n')
    binary.chmod(0o755)
    options = ("containerd.runc.v1.Options", {"binary_name": str(binary)})

    folder = Path(tempfile.mkdtemp())  # a short path
    shim = start(
        bundle,
        id="web",
        namespace=NAMESPACE,
        binary=str(need("2.4")),
        options=options,
        socket_dir=str(folder),
    )
    with shim:
        assert shim.address.startswith(f"unix://{folder}/")
        packed = shim.schema.pack(*options)
        shim.task.Create(id="web", bundle=str(bundle), options=packed)

    assert "create --bundle" in (tmp_path / "called").read_text()
    folder.rmdir()


def test_the_example_runs_a_container(bundle: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "run_container.py"
    done = subprocess.run(
        [sys.executable, str(example), str(bundle), str(need("2.4"))],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.startswith("hello\nended with 7 after /tasks/create /tasks/start")
    (bundle / "output").unlink()
    folder = Path("/run/containerd/runc/default")
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def test_the_readme_s_way_to_drive_one_works(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    (code,) = [block for block in blocks if "shim.start(bundle" in block]

    exec(code.replace("/tmp/hello", str(bundle)), {})

    assert capsys.readouterr().out.startswith("hello\n 7 ['/tasks/create', '/tasks/start'")
    (bundle / "output").unlink()


def test_a_start_that_fails_leaves_a_container_alone_whose_shim_has_died(bundle: Path) -> None:
    """``delete`` of the failed one would end it: runc knows it by its id alone."""
    (bundle / "config.json").write_text(json.dumps(spec("/bin/busybox", "sleep", "1000")))
    binary = str(need("1.6"))
    shim = start(bundle, id="web", namespace=NAMESPACE, binary=binary)
    created = shim.task.Create(id="web", bundle=str(bundle))
    shim.task.Start(id="web")
    os.kill(shim.pid, signal.SIGKILL)
    shim._claim.release()
    with contextlib.suppress(ToolkitError):
        shim.task.State(id="web", timeout=5)  # the connection has gone then

    with pytest.raises(ShimFailed, match="type with url"):
        start(bundle, id="web", namespace=NAMESPACE, binary=binary, form="protobuf")

    assert Path(f"/proc/{created.pid}").exists()
    ended = shim.stop()
    assert ended is not None
    assert ended.status == 128 + 9


def test_a_start_is_refused_where_a_shim_runs_whose_socket_has_gone(bundle: Path) -> None:
    binary = str(need("1.6"))
    shim = start(bundle, id="web", namespace=NAMESPACE, binary=binary)
    shim._claim.release()
    socket = Path(shim.address.removeprefix("unix://"))
    moved = socket.with_name("moved")
    socket.rename(moved)

    with pytest.raises(ShimFailed, match=f"runs in {bundle} already, as process {shim.pid}"):
        start(bundle, id="web", namespace=NAMESPACE, binary=binary)

    moved.rename(socket)
    assert shim.task.Connect(id="web").shim_pid == shim.pid
    shim.stop()
