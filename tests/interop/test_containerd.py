"""A live runc shim of Debian's containerd, driven by our client."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import pytest

import toolkit
from toolkit import sync
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Container, Containerd
    from toolkit.sync import Channel, Client

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

LINES = ["containerd@1.6", "containerd@2.4"]  # the shim's own line, and the newest
PROCESS_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RUNNING, STOPPED = 2, 3


@pytest.fixture
def channel(container: Container) -> Iterator[Channel]:
    with sync.connect(container.address, timeout=5) as channel:
        yield channel


@pytest.fixture(params=LINES)
def schema(request: pytest.FixtureRequest) -> Any:
    return toolkit.load(request.param)


@pytest.fixture
def task(channel: Channel, schema: Any) -> Client:
    return channel.client(schema.service("containerd.task.v2.Task"))


def process_spec(*args: str) -> dict[str, Any]:
    process = {"args": args, "cwd": "/", "user": {"uid": 0, "gid": 0}}
    return {"type_url": PROCESS_TYPE, "value": json.dumps(process).encode()}


def open_reader(fifo: Path) -> TextIO:
    with fifo.open("rb+", buffering=0):  # so that opening it for reading need not wait for a writer
        return fifo.open()


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def test_connect_tells_the_pids_of_shim_and_task(task: Client, container: Container) -> None:
    reply = task.Connect(id=container.id)

    assert reply.task_pid == container.pid
    assert "containerd-shim-runc-v2" in command_of(reply.shim_pid)


def test_state_of_a_running_container(task: Client, container: Container) -> None:
    state = task.State(id=container.id)

    assert (state.id, state.pid, state.status) == (container.id, container.pid, RUNNING)
    assert state.bundle == str(container.bundle)
    assert state.exited_at.seconds == -62135596800  # Go's zero time


def test_pids_hold_the_task(task: Client, container: Container) -> None:
    processes = task.Pids(id=container.id).processes

    assert [process.pid for process in processes] == [container.pid]


def test_stats_are_decoded_through_the_companion(
    task: Client, schema: Any, container: Container
) -> None:
    reply = task.Stats(id=container.id)

    metrics = schema.unpack(reply.stats)
    used = metrics.memory.usage
    assert metrics.DESCRIPTOR.full_name == reply.stats.type_url
    assert metrics.pids.current == 1
    assert (used if isinstance(used, int) else used.usage) > 0  # cgroup v2, v1


def test_exec_runs_a_second_process(task: Client, container: Container, tmp_path: Path) -> None:
    fifo = tmp_path / "out"
    os.mkfifo(fifo)
    reader = open_reader(fifo)  # runc's shim waits for one in Start
    spec = process_spec("/bin/busybox", "sh", "-c", "echo hello; exit 9")

    output = {"stdout": str(fifo), "stderr": str(fifo)}
    task.Exec(id=container.id, exec_id="extra", spec=spec, **output)
    pid = task.Start(id=container.id, exec_id="extra").pid
    waited = task.Wait(id=container.id, exec_id="extra")
    deleted = task.Delete(id=container.id, exec_id="extra")

    with reader:
        assert reader.read() == "hello\n"
    assert waited.exit_status == 9
    assert (deleted.pid, deleted.exit_status) == (pid, 9)


def test_wait_answers_when_the_task_is_killed(task: Client, container: Container) -> None:
    statuses: list[int] = []
    waiter = threading.Thread(
        target=lambda: statuses.append(task.Wait(id=container.id, timeout=30).exit_status)
    )
    waiter.start()

    running = task.State(id=container.id).status
    task.Kill(id=container.id, signal=signal.SIGKILL)

    waiter.join()
    assert running == RUNNING
    assert statuses == [137]
    assert task.State(id=container.id).status == STOPPED


def test_delete_and_shutdown_end_the_shim(task: Client, container: Container) -> None:
    shim = os.pidfd_open(task.Connect(id=container.id).shim_pid)
    task.Kill(id=container.id, signal=signal.SIGKILL)
    ended = task.Wait(id=container.id, timeout=30)

    deleted = task.Delete(id=container.id)
    with contextlib.suppress(toolkit.ConnectionClosed):  # it may go before it has answered
        task.Shutdown(id=container.id)

    assert (deleted.pid, deleted.exit_status) == (container.pid, 137)
    assert deleted.exited_at == ended.exited_at
    assert select.select([shim], [], [], 10)[0]
    os.close(shim)


def test_an_unknown_id_is_not_found(task: Client, container: Container) -> None:
    with pytest.raises(toolkit.RpcError) as caught:
        task.State(id=f"not-{container.id}")

    assert caught.value.code is Code.NOT_FOUND


def test_a_task_service_that_the_shim_lacks_is_unimplemented_and_does_no_harm(
    channel: Channel, container: Container
) -> None:
    schema = toolkit.load("containerd@2.3")
    v2, v3 = (
        channel.client(schema.service(f"containerd.task.{version}.Task"))
        for version in ("v2", "v3")
    )

    with pytest.raises(toolkit.RpcError) as caught:
        v3.State(id=container.id)

    assert caught.value.code is Code.UNIMPLEMENTED
    assert v2.State(id=container.id).status == RUNNING


@pytest.mark.parametrize("method", ["Connect", "State", "Pids"])
def test_every_line_reads_the_same_answer(
    method: str, channel: Channel, container: Container
) -> None:
    answers = set()

    for line in LINES:
        schema = toolkit.load(line)
        task = schema.service("containerd.task.v2.Task")
        answers.add(schema.to_json(channel.call(task[method], {"id": container.id})))

    assert len(answers) == 1


def test_programs_of_a_given_folder_come_before_the_systems(
    tmp_path: Path, start_containerd: Callable[[Path], AbstractContextManager[Containerd]]
) -> None:
    real = shutil.which("containerd-shim-runc-v2")
    ours = tmp_path / "containerd-shim-runc-v2"
    ours.write_text(f'#!/bin/sh\ntouch {tmp_path}/used\nexec {real} "$@"\n')
    ours.chmod(0o755)

    with start_containerd(tmp_path) as containerd:
        containerd.run("wrapped", "sleep", "1000")

    assert (tmp_path / "used").exists()


def test_the_fixture_leaves_nothing_of_a_container(containerd: Containerd) -> None:
    container = containerd.run("gone", "sleep", "1000")

    containerd.remove(container)

    assert not Path(f"/proc/{container.pid}").exists()
    assert not container.bundle.exists()
    assert not any(container.id in each for each in containerd.leftovers())
