"""All that the crate ``containerd-shim-protos`` exposes, with us on the other side."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.interop import foreign, ours, shim_task
from tests.interop.foreign import SHIM_PROTOS
from tests.interop.matrix import beside
from tests.shim import crate
from tests.support.peer import background
from toolkit.errors import MessageError, RpcError
from toolkit.shim.driving.eventserver import EventServer
from toolkit.shim.driving.eventserver_async import AsyncEventServer
from toolkit.shim.hosting.metrics import cgroup_metrics
from toolkit.shim.process import make_server
from toolkit.shim.sandboxes.life import NOT_READY, READY, SANDBOX_SERVICE
from toolkit.shim.sandboxes.service import SandboxService
from toolkit.shim.sandboxes.service_async import AsyncSandboxService
from toolkit.shim.stats import CGROUP_V1, CGROUP_V2, WINDOWS, Usage, decode_stats, summary
from toolkit.shim.topics import TASK_CREATE, TASK_UNKNOWN, topic_of
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.foreign import ForeignServer
    from tests.support.flavours import Flavour
    from toolkit.shim.events import Event

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SCHEMA = toolkit.load("containerd")
TASK = SCHEMA.service("containerd.task.v3.Task")
SANDBOX = SCHEMA.service(SANDBOX_SERVICE)
PROCESS = "types.containerd.io/opencontainers/runtime-spec/1/Process"
RESOURCES = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources"
PID, EXEC_PID, SANDBOX_PID = 4242, 4243, 5151
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4
LIMIT = 10.0


@pytest.fixture(autouse=True)
def _crate() -> None:
    foreign.need(SHIM_PROTOS)


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    """The crate's Task and Sandbox services, with every method."""
    with shim_task.serving_life() as server:
        yield server
    assert server.process.returncode == 0


@pytest.fixture
def channel(flavour: Flavour, server: ForeignServer) -> Iterator[Any]:
    with flavour.connect(server.address, timeout=5) as channel:
        yield channel


@pytest.fixture
def task(channel: Any) -> Any:
    return channel.client(TASK)


def state_of(task: Any) -> tuple[int, str]:
    """The status, and the last that the service was told."""
    state = task.State(id="web", timeout=LIMIT)
    return state.status, state.stderr.rpartition("; ")[2]


@beside(SHIM_PROTOS)
def test_the_crate_understands_what_our_task_client_says(task: Any) -> None:
    options = SCHEMA.pack("containerd.runc.v1.Options", {"root": "/r"})
    checkpoint = SCHEMA.pack("containerd.runc.v1.CheckpointOptions", {"exit": True})
    resources = SCHEMA.pack(RESOURCES, {"pids": {"limit": 5}})
    spec = SCHEMA.pack(PROCESS, {"args": ["true"]})
    rootfs = [{"type": "bind", "source": "/a", "target": "/b", "options": ["ro"]}]
    annotations = {"k": "v", "a": "b"}
    steps: list[tuple[str, dict[str, Any], int, str]] = [
        (
            "Create",
            {"bundle": "/bundle", "options": options, "rootfs": rootfs},
            CREATED,
            f"create {options.type_url}:{len(options.value)} [/b]",
        ),
        ("Start", {}, RUNNING, ""),
        (
            "Exec",
            {"exec_id": "extra", "spec": spec},
            RUNNING,
            f"exec extra {PROCESS}:{len(spec.value)}",
        ),
        ("Pause", {}, PAUSED, ""),
        ("Resume", {}, RUNNING, ""),
        ("ResizePty", {"width": 132, "height": 43}, RUNNING, "resize 132x43"),
        ("CloseIO", {"stdin": True}, RUNNING, "close stdin=true"),
        (
            "Checkpoint",
            {"path": "/c", "options": checkpoint},
            RUNNING,
            f"checkpoint /c {checkpoint.type_url}:{len(checkpoint.value)}",
        ),
        (
            "Update",
            {"resources": resources, "annotations": annotations},
            RUNNING,
            f"update {RESOURCES}:{len(resources.value)} a=b,k=v",
        ),
        ("Kill", {"signal": signal.SIGTERM, "all": True}, STOPPED, ""),
    ]
    last = ""

    for name, fields, status, told in steps:
        getattr(task, name)({"id": "web", **fields}, timeout=LIMIT)

        last = told or last
        assert state_of(task) == (status, last), name


@beside(SHIM_PROTOS)
def test_our_task_client_understands_what_the_crate_says(task: Any, server: ForeignServer) -> None:
    web: dict[str, Any] = {"id": "web"}
    extra = {**web, "exec_id": "extra"}

    created = task.Create({**web, "bundle": "/bundle", "stdout": "/out"}, timeout=LIMIT)
    started = task.Start(web, timeout=LIMIT)
    task.Exec(extra, timeout=LIMIT)
    exec_started = task.Start(extra, timeout=LIMIT)
    state = task.State(extra, timeout=LIMIT)
    pids = task.Pids(web, timeout=LIMIT)
    connected = task.Connect(web, timeout=LIMIT)
    waiting = background(lambda: task.Wait(web, timeout=LIMIT))
    task.Kill({**web, "signal": signal.SIGTERM}, timeout=LIMIT)
    waited = waiting.result(LIMIT)
    deleted_exec = task.Delete(extra, timeout=LIMIT)
    deleted = task.Delete(web, timeout=LIMIT)
    shutdown = task.Shutdown({**web, "now": True}, timeout=LIMIT)

    assert (created.pid, started.pid, exec_started.pid) == (PID, PID, EXEC_PID)
    assert (state.id, state.exec_id, state.bundle) == ("web", "extra", "/bundle")
    assert (state.stdin, state.stdout, state.terminal) == ("extra", "/out", True)
    assert [process.pid for process in pids.processes] == [PID, EXEC_PID]
    assert SCHEMA.unpack(pids.processes[1].info).exec_id == "extra"
    assert (connected.shim_pid, connected.task_pid) == (server.process.pid, PID)
    assert waited.exit_status == 128 + signal.SIGTERM
    assert waited.exited_at.ToNanoseconds() == 1_700_000_000_000_000_005
    assert (deleted_exec.pid, deleted.pid, deleted.exit_status) == (EXEC_PID, PID, 143)
    assert shutdown.ByteSize() == 0
    with pytest.raises(RpcError) as caught:
        task.State(web, timeout=LIMIT)
    assert caught.value.code is Code.NOT_FOUND


@beside(SHIM_PROTOS)
def test_no_method_of_the_task_service_is_left_out(task: Any) -> None:
    # Of what is not overridden, the crate says that it "is not supported".
    for method in TASK.methods:
        if method.name in ("Create", "Connect", "Shutdown"):
            continue
        with pytest.raises(RpcError, match='no container "nobody"'):
            getattr(task, method.name)(id="nobody", timeout=LIMIT)


@pytest.mark.parametrize(
    ("name", "type_name", "usage"),
    [
        ("cgroups-v1", CGROUP_V1, Usage(4_000_000_001, 1_048_576, 3)),
        ("cgroups-v2", CGROUP_V2, Usage(5_000_001_000, 2_097_152, 4)),
        ("windows", WINDOWS, Usage(6_000_000_001, 3_145_728, None)),
    ],
)
@beside(SHIM_PROTOS)
def test_the_metrics_of_the_crate_are_decoded(
    name: str, type_name: str, usage: Usage, task: Any
) -> None:
    task.Create(id=name, timeout=LIMIT)

    reply = task.Stats(id=name, timeout=LIMIT)

    assert reply.stats.type_url == type_name
    assert summary(decode_stats(reply)) == usage


@beside(SHIM_PROTOS)
def test_stats_without_metrics_say_so(task: Any) -> None:
    task.Create(id="web", timeout=LIMIT)

    with pytest.raises(MessageError, match="the shim has measured nothing"):
        decode_stats(task.Stats(id="web", timeout=LIMIT))


@beside(SHIM_PROTOS)
def test_our_sandbox_client_drives_the_crates_sandbox(channel: Any) -> None:
    sandbox = channel.client(SANDBOX)
    pod = {"sandbox_id": "pod"}

    sandbox.CreateSandbox({**pod, "bundle_path": "/b"}, timeout=LIMIT)
    started = sandbox.StartSandbox(pod, timeout=LIMIT)
    platform = sandbox.Platform(pod, timeout=LIMIT).platform
    status = sandbox.SandboxStatus({**pod, "verbose": True}, timeout=LIMIT)
    sandbox.PingSandbox(pod, timeout=LIMIT)
    measured = sandbox.SandboxMetrics(pod, timeout=LIMIT)
    waiting = background(lambda: sandbox.WaitSandbox(pod, timeout=LIMIT))
    sandbox.StopSandbox({**pod, "timeout_secs": 1}, timeout=LIMIT)
    ended = waiting.result(LIMIT)
    stopped = sandbox.SandboxStatus(pod, timeout=LIMIT)
    sandbox.ShutdownSandbox(pod, timeout=LIMIT)

    assert (started.pid, started.created_at.seconds) == (SANDBOX_PID, 1)
    assert (platform.os, platform.architecture) == ("linux", "riscv64")
    assert (status.sandbox_id, status.state, dict(status.info)) == ("pod", READY, {"info": "{}"})
    assert summary(decode_stats(measured)) == Usage(5_000_001_000, 2_097_152, 4)
    assert (ended.exit_status, ended.exited_at.seconds) == (3, 2)
    assert stopped.state == NOT_READY
    with pytest.raises(RpcError, match='NOT_FOUND: no sandbox "pod"'):
        sandbox.PingSandbox(pod, timeout=LIMIT)


class SyncPod(SandboxService):
    """A sandbox that this process stands for."""

    def stop(self, timeout: float | None) -> int:
        return 3

    def metrics(self, schema: Any) -> Any:
        return cgroup_metrics(schema, [os.getpid()])


class AioPod(AsyncSandboxService):
    """The same for asyncio."""

    async def stop(self, timeout: float | None) -> int:
        return 3

    async def metrics(self, schema: Any) -> Any:
        return cgroup_metrics(schema, [os.getpid()])


@beside(SHIM_PROTOS)
def test_the_crates_client_drives_our_sandbox(flavour: Flavour) -> None:
    before = int(time.time())
    pod = SyncPod() if flavour.name == "sync" else AioPod()
    with ours.serving(flavour.name, SANDBOX, pod) as address:
        said = shim_task.scenario("sandbox", address)

    assert said["ok"], said
    values = said["values"]
    assert values["start"]["pid"] == os.getpid()
    assert values["platform"][0] == "linux"
    assert values["status"] == ["pod", os.getpid(), READY]
    assert values["metrics"] == ["pod", CGROUP_V2]
    assert values["wait"]["exit_status"] == 3
    assert before <= values["start"]["created_at"] <= values["wait"]["exited_at"] <= time.time()
    assert values["stopped"] == ["pod", os.getpid(), NOT_READY]
    assert values["shutdown"]


def test_the_crates_client_takes_a_container_of_our_process_shim_through_its_life(
    tmp_path: Path,
) -> None:
    config = {"ociVersion": "1.1.0", "process": {"args": ["sleep", "1000"], "cwd": "/"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    server = make_server(SCHEMA)
    listener = server.listen(f"unix://{tmp_path}/task.sock")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        said = shim_task.scenario("life", listener.address, bundle=str(tmp_path))
        assert said["ok"], said
        thread.join(LIMIT)  # its Shutdown ends the server
        assert not thread.is_alive()
    finally:
        server.close()
        thread.join()

    values = said["values"]
    pid = values["start"]
    assert values["create"] == pid > 0
    assert values["state"] == {
        "bundle": str(tmp_path),
        "pid": pid,
        "status": RUNNING,
        "exit_status": 0,
    }
    assert values["wait"]["exit_status"] == 137
    assert abs(values["wait"]["exited_at"] - time.time()) < LIMIT
    assert (values["stopped"]["status"], values["stopped"]["exit_status"]) == (STOPPED, 137)
    assert values["connect"] == [os.getpid(), pid]
    assert values["delete"] == {"pid": pid, **values["wait"]}
    assert values["shutdown"]


def check_events(events: list[Event]) -> None:
    """These are what the crate publishes, in its order."""
    names = [name for topic, name in crate.TOPICS.items() if topic != TASK_UNKNOWN]
    assert [event.type for event in events] == names
    assert [event.topic for event in events] == [topic_of(name) for name in names]
    for event in events:
        assert event.message == SCHEMA.message(event.type)(**crate.EVENTS[event.type])
        assert event.namespace == "crate"
        assert event.time_nano == 1_700_000_000_000_000_005
    assert events[0].topic == TASK_CREATE


def test_the_crates_publisher_reaches_our_event_server() -> None:
    with EventServer() as server:
        said = shim_task.scenario("forward", server.address)
    events = list(server)

    assert said["values"] == {"forwarded": 10}
    check_events(events)


def test_the_crates_publisher_reaches_our_event_server_for_asyncio() -> None:
    async def receive() -> list[Event]:
        async with AsyncEventServer() as server:
            said = await asyncio.to_thread(shim_task.scenario, "forward", server.address)
            assert said["values"] == {"forwarded": 10}
        return [event async for event in server]

    check_events(asyncio.run(receive()))


def test_the_record_that_other_tests_use_is_what_the_crate_encodes() -> None:
    recorded = [json.loads(line) for line in crate.RECORD.read_text().splitlines()]

    assert [json.loads(line) for line in shim_task.messages().splitlines()] == recorded


def test_the_record_has_all_that_the_crate_exposes() -> None:
    """Every module of its lib.rs: events of all kinds, cgroups, Windows, runc, introspection."""
    names = [json.loads(line).get("name") for line in crate.RECORD.read_text().splitlines()]

    assert names == [*crate.EVENTS, *crate.OTHERS, None]
