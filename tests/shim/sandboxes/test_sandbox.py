"""The Sandbox service, from CreateSandbox to ShutdownSandbox, over a socket."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.shim.sides import SIDES, Side
from tests.support.peer import background
from toolkit.errors import RpcError
from toolkit.shim.hosting.metrics import cgroup_metrics
from toolkit.shim.sandboxes.life import NOT_READY, READY, SANDBOX_SERVICE, SandboxLife
from toolkit.shim.sandboxes.service import SandboxService
from toolkit.shim.sandboxes.service_async import AsyncSandboxService
from toolkit.shim.stats import CGROUP_V2, decode_stats, summary
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

ROOT = Path(__file__).parents[3]
LINES = [
    each.name
    for each in toolkit.releases()
    if each.project == "containerd"
    and any(service.name == SANDBOX_SERVICE for service in toolkit.load(each.name).services())
]
SANDBOX = toolkit.load("containerd").service(SANDBOX_SERVICE)
LIMIT = 5.0
PID = 4711
OPTIONS = toolkit.load("containerd").pack("containerd.runc.v1.Options", {"root": "/r"})


class SyncPod(SandboxService):
    """Notes what it is asked for."""

    def __init__(self, asked: list[str], *, fails: bool = False) -> None:
        super().__init__(on_shutdown=lambda: asked.append("shutdown"))
        self.asked = asked
        self.fails = fails

    def create(self, request: Any) -> None:
        self.asked.append(f"create {request.bundle_path} {request.options.type_url}")
        if self.fails:
            raise RpcError(Code.UNAVAILABLE, "no room for a pod")

    def start(self, request: Any) -> int:
        self.asked.append("start")
        return PID

    def stop(self, timeout: float | None) -> int:
        self.asked.append(f"stop {timeout}")
        return 3

    def info(self) -> dict[str, str]:
        return {"info": "{}"}

    def metrics(self, schema: Any) -> Any:
        return cgroup_metrics(schema, [os.getpid()])


class AioPod(AsyncSandboxService):
    """The same for asyncio."""

    def __init__(self, asked: list[str], *, fails: bool = False) -> None:
        super().__init__(on_shutdown=lambda: asked.append("shutdown"))
        self.asked = asked
        self.fails = fails

    async def create(self, request: Any) -> None:
        self.asked.append(f"create {request.bundle_path} {request.options.type_url}")
        if self.fails:
            raise RpcError(Code.UNAVAILABLE, "no room for a pod")

    async def start(self, request: Any) -> int:
        self.asked.append("start")
        return PID

    async def stop(self, timeout: float | None) -> int:
        self.asked.append(f"stop {timeout}")
        return 3

    def info(self) -> dict[str, str]:
        return {"info": "{}"}

    async def metrics(self, schema: Any) -> Any:
        return cgroup_metrics(schema, [os.getpid()])


def make_pod(side: Side, asked: list[str], **options: Any) -> Any:
    return side.do(lambda: (SyncPod if side.name == "sync" else AioPod)(asked, **options))


@pytest.fixture(params=SIDES, ids=lambda side: side.name)
def side(request: pytest.FixtureRequest) -> Side:
    chosen: Side = request.param
    return chosen


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def pod(side: Side, asked: list[str]) -> Any:
    return make_pod(side, asked)


@pytest.fixture
def sandbox(side: Side, pod: Any, tmp_path: Path) -> Iterator[Any]:
    """A client of the service."""
    address = f"unix://{tmp_path}/s"
    with side.serving(address, {SANDBOX: pod}), side.connect(address) as channel:
        yield channel.client(SANDBOX)


def running(sandbox: Any, id: str = "pod") -> None:
    sandbox.CreateSandbox(sandbox_id=id, timeout=LIMIT)
    sandbox.StartSandbox(sandbox_id=id, timeout=LIMIT)


def waiting(sandbox: Any, id: str = "pod") -> Future[Any]:
    """A WaitSandbox that the server has."""
    reply = background(lambda: sandbox.WaitSandbox({"sandbox_id": id}))
    sandbox.PingSandbox(sandbox_id=id, timeout=LIMIT)
    return reply


def test_a_whole_life(sandbox: Any, asked: list[str]) -> None:
    name = {"sandbox_id": "pod"}
    before = time.time_ns()

    created = sandbox.CreateSandbox(
        {**name, "bundle_path": "/bundle", "netns_path": "/ns", "options": OPTIONS}, timeout=LIMIT
    )
    started = sandbox.StartSandbox(name, timeout=LIMIT)
    status = sandbox.SandboxStatus(name, timeout=LIMIT)
    details = sandbox.SandboxStatus({**name, "verbose": True}, timeout=LIMIT)
    waited = waiting(sandbox)
    measured = sandbox.SandboxMetrics(name, timeout=LIMIT)
    done_too_early = waited.done()
    sandbox.StopSandbox({**name, "timeout_secs": 7}, timeout=LIMIT)
    ended = waited.result(LIMIT)
    stopped = sandbox.SandboxStatus(name, timeout=LIMIT)
    sandbox.ShutdownSandbox(name, timeout=LIMIT)

    assert created.ByteSize() == 0
    assert started.pid == PID
    assert before <= started.created_at.ToNanoseconds() <= time.time_ns()
    assert (status.sandbox_id, status.pid, status.state) == ("pod", PID, READY)
    assert (dict(status.info), dict(details.info)) == ({}, {"info": "{}"})
    assert status.created_at == started.created_at
    assert not status.HasField("exited_at")
    assert not done_too_early
    assert measured.metrics.id == "pod"
    assert measured.metrics.data.type_url == CGROUP_V2
    assert summary(decode_stats(measured)).memory > 100_000
    assert ended.exit_status == 3
    assert (stopped.state, stopped.exited_at) == (NOT_READY, ended.exited_at)
    assert asked == [
        "create /bundle containerd.runc.v1.Options",
        "start",
        "stop 7",
        "shutdown",
    ]


def test_the_platform_is_this_host_in_gos_words(sandbox: Any) -> None:
    running(sandbox)

    platform = sandbox.Platform(sandbox_id="pod", timeout=LIMIT).platform

    assert platform.os == "linux"
    assert platform.architecture not in ("", "x86_64", "aarch64")


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", ("amd64", "")),
        ("aarch64", ("arm64", "v8")),
        ("armv7l", ("arm", "v7")),
        ("riscv64", ("riscv64", "")),
    ],
)
def test_machines_are_called_as_go_does(
    machine: str, platform: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uname = os.uname_result(["Linux", "host", "6", "1", machine])
    monkeypatch.setattr(os, "uname", lambda: uname)

    found = SandboxLife.platform()

    assert (found["architecture"], found["variant"]) == platform


@pytest.mark.parametrize("line", LINES)
def test_every_line_that_has_the_service_is_served(
    line: str, side: Side, pod: Any, tmp_path: Path
) -> None:
    service = toolkit.load(line).service(SANDBOX_SERVICE)
    address = f"unix://{tmp_path}/s"
    with side.serving(address, {service: pod}), side.connect(address) as channel:
        sandbox = channel.client(service)
        running(sandbox)
        waited = waiting(sandbox)
        sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)

        assert waited.result(LIMIT).exit_status == 3
        assert sandbox.SandboxMetrics(sandbox_id="pod", timeout=LIMIT).HasField("metrics")


def test_a_sandbox_that_ends_by_itself_answers_every_wait(
    side: Side, sandbox: Any, pod: Any, asked: list[str]
) -> None:
    running(sandbox)
    waits = [waiting(sandbox) for _ in range(3)]

    side.do(pod.ended, 9)
    sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)

    assert [wait.result(LIMIT).exit_status for wait in waits] == [9, 9, 9]
    assert sandbox.WaitSandbox(sandbox_id="pod", timeout=LIMIT).exit_status == 9
    assert not [each for each in asked if each.startswith("stop")]


def test_a_wait_is_answered_at_once(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.shim.sandboxes.service._GLANCE", 60)
    running(sandbox)
    waited = waiting(sandbox)

    sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)

    assert waited.result(LIMIT).exit_status == 3


def test_shutdown_of_a_running_sandbox_stops_it(sandbox: Any, asked: list[str]) -> None:
    running(sandbox)
    waited = waiting(sandbox)

    sandbox.ShutdownSandbox(sandbox_id="pod", timeout=LIMIT)

    assert waited.result(LIMIT).exit_status == 3
    assert asked[-2:] == ["stop None", "shutdown"]


def test_a_wait_ends_with_its_deadline_and_the_sandbox_goes_on(sandbox: Any) -> None:
    running(sandbox)

    with pytest.raises(toolkit.DeadlineExceeded):
        sandbox.WaitSandbox(sandbox_id="pod", timeout=0.1)

    assert sandbox.SandboxStatus(sandbox_id="pod", timeout=LIMIT).state == READY


def test_a_create_that_fails_leaves_nothing_and_shutdown_still_ends_the_shim(
    side: Side, asked: list[str], tmp_path: Path
) -> None:
    pod = make_pod(side, asked, fails=True)
    address = f"unix://{tmp_path}/s"
    with side.serving(address, {SANDBOX: pod}), side.connect(address) as channel:
        sandbox = channel.client(SANDBOX)
        with pytest.raises(RpcError, match="UNAVAILABLE: no room for a pod"):
            sandbox.CreateSandbox(sandbox_id="pod", timeout=LIMIT)
        with pytest.raises(RpcError, match="NOT_FOUND: there is no sandbox 'pod' here"):
            sandbox.StartSandbox(sandbox_id="pod", timeout=LIMIT)

        sandbox.ShutdownSandbox(sandbox_id="pod", timeout=LIMIT)

    assert asked[-1] == "shutdown"


@pytest.mark.parametrize(
    ("method", "id", "code"),
    [
        ("CreateSandbox", "pod", Code.ALREADY_EXISTS),
        ("CreateSandbox", "other", Code.ALREADY_EXISTS),
        ("CreateSandbox", "", Code.INVALID_ARGUMENT),
        ("StartSandbox", "pod", Code.FAILED_PRECONDITION),
        *(
            (name, id, Code.NOT_FOUND)
            for name in (
                "StartSandbox",
                "Platform",
                "StopSandbox",
                "WaitSandbox",
                "SandboxStatus",
                "PingSandbox",
                "SandboxMetrics",
                "ShutdownSandbox",
            )
            for id in ("other", "")
        ),
        ("UpdateSandbox", "pod", Code.UNIMPLEMENTED),
    ],
)
def test_what_makes_no_sense_is_refused(method: str, id: str, code: Code, sandbox: Any) -> None:
    running(sandbox)

    with pytest.raises(RpcError) as caught:
        getattr(sandbox, method)(sandbox_id=id, timeout=LIMIT)

    assert caught.value.code is code
    assert sandbox.SandboxStatus(sandbox_id="pod", timeout=LIMIT).state == READY


def test_a_sandbox_that_has_ended_is_not_started_again(sandbox: Any) -> None:
    running(sandbox)
    sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)
    sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)

    with pytest.raises(RpcError, match="FAILED_PRECONDITION: sandbox 'pod' has ended"):
        sandbox.StartSandbox(sandbox_id="pod", timeout=LIMIT)


def test_a_process_that_ends_before_start_has_answered_is_not_ready() -> None:
    life = SandboxLife()
    life.created("pod")

    life.stopped(1, 5)
    life.started(PID, 6)

    assert (life.state, life.over) == (NOT_READY, True)


@pytest.mark.parametrize("service", [SandboxService, AsyncSandboxService])
def test_without_overrides_it_is_this_process_and_measures_nothing(
    service: type[Any], tmp_path: Path
) -> None:
    side = SIDES[0] if service is SandboxService else SIDES[1]
    address = f"unix://{tmp_path}/s"
    with (
        side.serving(address, {SANDBOX: side.do(service)}),
        side.connect(address) as channel,
    ):
        sandbox = channel.client(SANDBOX)
        sandbox.CreateSandbox(sandbox_id="pod", timeout=LIMIT)
        pid = sandbox.StartSandbox(sandbox_id="pod", timeout=LIMIT).pid
        measured = sandbox.SandboxMetrics(sandbox_id="pod", timeout=LIMIT)
        details = sandbox.SandboxStatus(sandbox_id="pod", verbose=True, timeout=LIMIT).info
        sandbox.StopSandbox(sandbox_id="pod", timeout=LIMIT)

        assert pid == os.getpid()
        assert not measured.HasField("metrics")
        assert dict(details) == {}
        assert sandbox.WaitSandbox(sandbox_id="pod", timeout=LIMIT).exit_status == 0


def test_the_example_serves_and_drives(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/s"
    command = [sys.executable, str(ROOT / "examples" / "sandbox.py")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        [*command, "serve", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    killer = threading.Timer(15, server.kill)
    killer.start()
    try:
        assert server.stdout is not None
        with server.stdout:
            assert server.stdout.readline() == f"listening at {address}\n"
            driven = subprocess.check_output(
                [*command, "drive", address], text=True, env=environment, timeout=15
            )
            said = server.stdout.read()  # it ends by itself
        assert server.wait(15) == 0
    finally:
        killer.cancel()
        server.kill()
        server.wait()

    assert driven.splitlines() == [
        "platform: linux",
        f"state: {READY}",
        "exit status: 0",
        f"state: {NOT_READY}",
    ]
    assert said.splitlines() == ["started pod", "stopped; the time for it was not limited"]
