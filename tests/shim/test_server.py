"""The Task server over a socket, under our own client."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.shim.caller import is_alive
from toolkit import sync
from toolkit.shim.process import TASK_SERVICES, make_server
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from toolkit.sync import Channel


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[tuple[str, threading.Thread]]:
    """The address of a Task server, and the thread that ends with it."""
    server = make_server(toolkit.load("containerd@2.3"))
    with server.listen(f"unix://{tmp_path}/task.sock") as listener:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield listener.address, thread
    thread.join()


@pytest.fixture
def channel(serving: tuple[str, threading.Thread]) -> Iterator[Channel]:
    with sync.connect(serving[0], timeout=5) as channel:
        yield channel


@pytest.mark.parametrize("name", TASK_SERVICES)
def test_a_whole_life_over_the_wire(name: str, channel: Channel, sleeper: Path) -> None:
    task = channel.client(toolkit.load("containerd@2.3").service(name))

    pid = task.Create(id="web", bundle=str(sleeper)).pid
    task.Start(id="web")
    state = task.State(id="web")
    task.Kill(id="web", signal=signal.SIGTERM)
    waited = task.Wait(id="web")
    task.Delete(id="web")

    assert (state.pid, state.status) == (pid, 2)
    assert waited.exit_status == 143
    with pytest.raises(toolkit.RpcError) as caught:
        task.State(id="web")
    assert caught.value.code is Code.NOT_FOUND


def test_v2_and_v3_see_the_same_containers(channel: Channel, sleeper: Path) -> None:
    schema = toolkit.load("containerd@2.3")
    v2, v3 = (channel.client(schema.service(name)) for name in TASK_SERVICES)

    pid = v2.Create(id="web", bundle=str(sleeper)).pid

    assert v3.State(id="web").pid == pid


def test_a_wait_delays_no_other_call(channel: Channel, sleeper: Path) -> None:
    task = channel.client(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"))
    task.Create(id="web", bundle=str(sleeper))
    task.Start(id="web")
    statuses = []
    waiters = [
        threading.Thread(target=lambda: statuses.append(task.Wait(id="web").exit_status))
        for _ in range(8)
    ]
    for waiter in waiters:
        waiter.start()

    running = task.State(id="web").status
    task.Kill(id="web", signal=signal.SIGKILL)

    for waiter in waiters:
        waiter.join()
    assert running == 2
    assert statuses == [137] * 8


def test_a_wait_ends_at_its_deadline(channel: Channel, sleeper: Path) -> None:
    task = channel.client(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"))
    task.Create(id="web", bundle=str(sleeper))

    with pytest.raises(toolkit.DeadlineExceeded):
        task.Wait(id="web", timeout=0.02)

    assert task.State(id="web").status == 1


def test_shutdown_ends_the_server(channel: Channel, serving: tuple[str, threading.Thread]) -> None:
    task = channel.client(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"))

    task.Shutdown(id="web")

    serving[1].join()


def test_shutdown_now_ends_the_containers_too(
    channel: Channel, serving: tuple[str, threading.Thread], sleeper: Path
) -> None:
    task = channel.client(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"))
    pid = task.Create(id="web", bundle=str(sleeper)).pid

    task.Shutdown(id="web", now=True)

    serving[1].join()
    assert not is_alive(pid)


def test_leaving_the_listener_answers_the_waits_and_leaves_no_process(
    tmp_path: Path, sleeper: Path
) -> None:
    schema = toolkit.load("containerd@2.3")
    server = make_server(schema)
    with server.listen(f"unix://{tmp_path}/own.sock") as listener:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        channel = sync.connect(listener.address)
        task = channel.client(schema.service("containerd.task.v3.Task"))
        pid = task.Create(id="web", bundle=str(sleeper)).pid

    thread.join()
    channel.close()
    assert not is_alive(pid)


def test_a_schema_without_a_task_service_is_refused_by_name() -> None:
    with pytest.raises(toolkit.SymbolNotFound) as caught:
        make_server(toolkit.load("nri"))

    assert caught.value.name == "containerd.task.v3.Task"
