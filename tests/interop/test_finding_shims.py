"""Live runc shims, of Debian's containerd and of 2.4: found, asked, watched and diagnosed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import Outcome, ttrpc
from tests.interop.needs import unavailable
from tests.interop.peers import program
from tests.shim.finding.nobody import as_nobody
from toolkit import shim
from toolkit.shim.finding.ask import ask, ask_all
from toolkit.shim.finding.ask_async import ask_all_async
from toolkit.shim.finding.connecting import connect, connect_async
from toolkit.shim.finding.discovery import discover
from toolkit.shim.finding.health import Answer
from toolkit.shim.finding.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Container, Containerd
    from toolkit.shim.finding.found import Found

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
OURS = (
    "runc-shim/2.4/containerd-shim-runc-v2",
    "containerd/2.4/containerd",
    "containerd/2.4/ctr",
)
TASKS = {"debian": 2, "2.4": 3}
PATIENCE = 20.0  # seconds


@pytest.fixture(scope="module", params=list(TASKS))
def line(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="module")
def daemon(
    line: str,
    tmp_path_factory: pytest.TempPathFactory,
    start_containerd: Callable[[Path | None], AbstractContextManager[Containerd]],
) -> Iterator[Containerd]:
    """A containerd with a state folder of its own."""
    binaries = None
    if line != "debian":
        binaries = tmp_path_factory.mktemp("bin")
        for path in map(program, OURS):
            if not path.is_file():
                unavailable(f"{path} is not built: `make peers` does, with Go")
            (binaries / path.name).symlink_to(path)
    with start_containerd(binaries) as containerd:
        yield containerd


@pytest.fixture
def web(daemon: Containerd) -> Iterator[Container]:
    """A container in which busybox sleeps."""
    container = daemon.run(unused_id(), "sleep", "1000")
    yield container
    daemon.remove(container)


def unused_id() -> str:
    return f"web-{uuid.uuid4().hex[:8]}"


def found_of(daemon: Containerd, container: Container) -> Found:
    (found,) = discover(state=daemon.folder / "state", id=container.id)
    return found


def shim_pid(daemon: Containerd, container: Container) -> int:
    (pid,) = daemon.shims(container.id)
    return pid


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def row_of(outcome: Outcome, container: Container) -> list[str]:
    (line,) = [line for line in outcome.out.splitlines() if f" {container.id} " in line]
    return line.split()


def name(daemon: Containerd, container: Container) -> str:
    return f"shim://{daemon.namespace}/{container.id}"


def test_a_shim_is_found_with_all_that_can_be_known(
    daemon: Containerd, web: Container, line: str
) -> None:
    found = found_of(daemon, web)

    assert found.pid == shim_pid(daemon, web)
    assert (found.namespace, found.id) == (daemon.namespace, web.id)
    assert (found.task, found.address) == (TASKS[line], web.address)
    assert (found.bundle, found.problem) == (str(web.bundle), "")
    assert found.binary.endswith("/containerd-shim-runc-v2")
    assert found.version == {"debian": "", "2.4": "v2.4.2"}[line]  # Debian's has it nowhere


def test_its_state_folder_is_found_by_the_daemon_that_runs(
    daemon: Containerd, web: Container
) -> None:
    (found,) = discover(namespace=daemon.namespace, id=web.id)

    assert found == found_of(daemon, web)


def test_it_answers_in_both_flavours(daemon: Containerd, web: Container, line: str) -> None:
    found = found_of(daemon, web)

    (blocking,) = ask_all([found])
    (waiting,) = asyncio.run(ask_all_async([found]))

    for health in (blocking, waiting):
        assert (health.answer, health.task) == (Answer.ANSWERED, TASKS[line])
        assert (health.reply.shim_pid, health.reply.task_pid) == (found.pid, web.pid)


def test_the_version_of_the_task_service_is_found_out(
    daemon: Containerd, web: Container, line: str
) -> None:
    found = found_of(daemon, web)

    for task in (None, 2, 3):
        assert ask(found._replace(task=task), timeout=5).task == TASKS[line]


def test_ps_shows_it(daemon: Containerd, web: Container, line: str) -> None:
    outcome = ttrpc("ps", "-n", daemon.namespace)

    row = row_of(outcome, web)
    assert row[:5] == [
        *(daemon.namespace, web.id, str(shim_pid(daemon, web)), "S", f"v{TASKS[line]}"),
    ]
    assert (row[6], row[8]) == ("ms", web.address)
    assert float(row[5]) < 1000


def test_a_call_names_it(daemon: Containerd, web: Container) -> None:
    outcome = ttrpc("call", name(daemon, web), "State")

    assert outcome.code == 0, outcome.err
    reply = json.loads(outcome.out)
    assert (reply["id"], reply["pid"], reply["status"]) == (web.id, web.pid, "RUNNING")


def test_python_connects_by_its_name(daemon: Containerd, web: Container) -> None:
    found = found_of(daemon, web)
    task = toolkit.load("containerd").service(found.service)

    async def state() -> Any:
        async with connect_async(daemon.namespace, web.id, timeout=5) as channel:
            return await channel.client(task).State(id=web.id, timeout=5)

    with connect(daemon.namespace, web.id, timeout=5) as channel:
        assert channel.client(task).State(id=web.id, timeout=5).pid == web.pid
    assert asyncio.run(state()).pid == web.pid


def test_the_doctor_finds_it_healthy(daemon: Containerd, web: Container) -> None:
    outcomes = [ttrpc("doctor", one) for one in (name(daemon, web), web.address, web.bundle)]

    for outcome in outcomes:
        assert outcome.code == 0, outcome.out
        assert outcome.out.endswith("verdict   healthy; its container is RUNNING\n")


def test_one_that_is_stopped_is_silent_and_named(daemon: Containerd, web: Container) -> None:
    pid = shim_pid(daemon, web)

    with stopped(pid):
        listed = ttrpc("ps", "-n", daemon.namespace)
        diagnosed = ttrpc("doctor", name(daemon, web))
    after = ttrpc("doctor", name(daemon, web))

    assert row_of(listed, web)[2:6] == [str(pid), "T", row_of(listed, web)[4], "silent"]
    assert diagnosed.code == 1
    assert f"stopped by a signal; kill -CONT {pid} lets it go on" in diagnosed.out
    assert after.code == 0, after.out


def test_a_container_that_ended_is_told_from_a_sick_shim(
    daemon: Containerd, web: Container
) -> None:
    with contextlib.closing(_Ending(web.pid)) as ended:
        os.kill(web.pid, signal.SIGKILL)
        ended.wait()
    outcome = _until(lambda: ttrpc("doctor", name(daemon, web)), "STOPPED")

    assert outcome.code == 0, outcome.out
    assert f"ctr -n {daemon.namespace} task rm {web.id}" in outcome.out


def test_a_paused_container_is_told_from_a_sick_shim(daemon: Containerd, web: Container) -> None:
    daemon.ctr("task", "pause", web.id)
    try:
        outcome = ttrpc("doctor", name(daemon, web))
    finally:
        daemon.ctr("task", "resume", web.id)

    assert outcome.code == 0, outcome.out
    assert "healthy; its container is paused" in outcome.out


def test_an_id_that_the_shim_does_not_have(daemon: Containerd, web: Container) -> None:
    found = found_of(daemon, web)._replace(id="other")

    health = ask(found, question="State", timeout=5)

    assert health.answer is Answer.ANSWERED
    assert isinstance(health.error, toolkit.RpcError)
    assert health.error.code is toolkit.Code.NOT_FOUND


def test_containers_come_and_go(daemon: Containerd) -> None:
    wanted = unused_id()

    async def life() -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        async with contextlib.aclosing(watch(0.05, state=daemon.folder / "state")) as changes:
            container = await asyncio.to_thread(daemon.run, wanted, "sleep", "1000")
            while len(seen) < 2:
                change = await asyncio.wait_for(anext(changes), PATIENCE)
                if change.shim.id == wanted:
                    seen.append((change.kind, change.shim.id))
                    if change.kind == "appeared":
                        await asyncio.to_thread(daemon.remove, container)
        return seen

    assert asyncio.run(life()) == [("appeared", wanted), ("gone", wanted)]
    assert discover(state=daemon.folder / "state", id=wanted) == []


def test_containers_that_share_a_shim_are_one_each(daemon: Containerd) -> None:
    ids = [unused_id(), unused_id()]
    group = f"io.containerd.runc.v2.group={ids[0]}"
    try:
        for id in ids:
            command = ["--rootfs", "--detach", "--annotation", group, str(daemon.rootfs), id]
            daemon.ctr("run", *command, "/bin/busybox", "sleep", "1000")
        found = [one for one in discover(namespace=daemon.namespace) if one.id in ids]
        states = [ttrpc("call", f"shim://{daemon.namespace}/{id}", "State") for id in ids]
    finally:
        for id in reversed(ids):
            daemon.ctr("task", "rm", "--force", id, check=False)
            daemon.ctr("container", "rm", id, check=False)

    assert sorted(one.id for one in found) == sorted(ids)
    assert len({(one.pid, one.address) for one in found}) == 1
    assert [json.loads(one.out)["id"] for one in states] == ids


def test_ours_are_beside_those_of_containerd(
    daemon: Containerd, web: Container, tmp_path: Path
) -> None:
    install = [sys.executable, str(ROOT / "examples" / "process_shim.py"), "install", str(tmp_path)]
    subprocess.run(install, check=True, capture_output=True, env=ENV)
    bundle, ours = tmp_path / "bundle", unused_id()
    bundle.mkdir()
    config = {"ociVersion": "1.1.0", "process": {"args": ["sleep", "60"], "cwd": "/"}}
    (bundle / "config.json").write_text(json.dumps(config))
    binary = str(tmp_path / "containerd-shim-process-v1")

    with shim.start(bundle, id=ours, namespace=daemon.namespace, binary=binary) as started:
        listed = json.loads(ttrpc("ps", "--json", "-n", daemon.namespace).out)
        found = {one["id"]: one for one in listed}
        started.task.Create(id=ours, bundle=str(bundle), timeout=10)
        started.task.Start(id=ours, timeout=10)
        state = ttrpc("call", f"shim://{daemon.namespace}/{ours}", "State")
        healthy = ttrpc("doctor", f"shim://{daemon.namespace}/{ours}")

    assert found.keys() >= {ours, web.id}
    assert {found[id]["answer"] for id in (ours, web.id)} == {"answered"}
    assert (found[ours]["pid"], found[ours]["binary"]) == (started.pid, binary)
    assert (found[ours]["bundle"], found[ours]["task"]) == (str(bundle), 3)
    assert json.loads(state.out)["status"] == "RUNNING"
    assert healthy.code == 0, healthy.out
    assert discover(namespace=daemon.namespace, id=ours) == []


def test_without_rights_it_is_seen_and_not_asked(daemon: Containerd, web: Container) -> None:
    ttrpc("ps", "-n", daemon.namespace)  # what it takes is loaded

    (found,) = as_nobody(lambda: discover(namespace=daemon.namespace, id=web.id))
    health = as_nobody(lambda: ask(found, timeout=5).answer.value, reads=toolkit.__file__)

    assert found.pid == shim_pid(daemon, web)
    assert found.address == web.address  # computed, and the kernel says that it is taken
    assert found.bundle == ""
    assert health == "denied"


def test_one_that_died_is_there_until_containerd_clears_up(daemon: Containerd) -> None:
    dead, alive = (daemon.run(unused_id(), "sleep", "1000") for _ in range(2))
    pid = shim_pid(daemon, dead)
    daemon.stop()
    try:
        with contextlib.closing(_Ending(pid)) as ended:
            os.kill(pid, signal.SIGKILL)
            ended.wait()
        os.kill(dead.pid, signal.SIGKILL)
        found = {one.id: one for one in discover(state=daemon.folder / "state")}
        listed = ttrpc("ps", "-n", daemon.namespace)
        diagnosed = ttrpc("doctor", name(daemon, dead))
    finally:
        daemon.start()
        for container in (dead, alive):
            daemon.remove(container)
        # Neither containerd nor the shim's `delete` takes the socket of one that was killed away.
        Path(dead.address.removeprefix("unix://")).unlink(missing_ok=True)

    assert (found[dead.id].pid, found[dead.id].address) == (None, dead.address)
    assert found[alive.id].pid is not None
    assert row_of(listed, dead)[2:4] == ["-", "-"]
    assert "refused" in row_of(listed, dead)
    assert diagnosed.code == 1
    assert re.search("verdict +dead: it ended and left its socket", diagnosed.out)
    assert f"rm {dead.address.removeprefix('unix://')}" in diagnosed.out


def test_a_bundle_that_was_spoiled_does_not_hide_its_shim(
    daemon: Containerd, web: Container
) -> None:
    spoiled = next(
        path for path in (web.bundle / "bootstrap.json", web.bundle / "address") if path.exists()
    )
    before = spoiled.read_bytes()
    spoiled.write_text("not an address\n")
    try:
        found = found_of(daemon, web)
        outcome = ttrpc("doctor", name(daemon, web))
    finally:
        spoiled.write_bytes(before)

    assert (found.pid, found.address) == (shim_pid(daemon, web), web.address)
    assert outcome.code == 1
    assert "it answers, but containerd may not find it after a restart" in outcome.out


class _Ending:
    """Waits for the end of a process."""

    def __init__(self, pid: int) -> None:
        self._descriptor = os.pidfd_open(pid)

    def wait(self) -> None:
        import select

        assert select.select([self._descriptor], [], [], PATIENCE)[0]

    def close(self) -> None:
        os.close(self._descriptor)


def _until(act: Callable[[], Outcome], word: str) -> Outcome:
    """Again until the word is in its output; the shim has yet to reap its container."""
    outcomes = (act() for _ in range(50))
    return next(outcome for outcome in outcomes if word in outcome.out)
