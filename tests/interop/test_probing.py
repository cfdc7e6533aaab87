"""Probing finds a service of every implementation by its refusals, and no handler ever runs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.interop import foreign, ours
from tests.interop.foreign import GO, GO_1_1, GO_1_2_7, RUST, RUST_SYNC, SHIM_PROTOS
from tests.interop.service import ABSENT, INTEROP, implementation
from toolkit import sync
from toolkit.errors import NoSchema
from toolkit.reflection import finding
from toolkit.reflection.probe import READ_ONLY, Probe
from toolkit.schema.elsewhere import service_names
from toolkit.schema.releases import releases
from toolkit.wire.frame import REQUEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interop.foreign import ForeignServer, Peer

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 10.0
TASK = toolkit.load("containerd").service("containerd.task.v3.Task")
TASK_ID, TASK_PID = "id1", 0x10C0  # what the program shim-task has
# By its refusals of services and methods, which differ.
TELLING = [GO, GO_1_2_7, GO_1_1, RUST]


def asking(address: str, **options: Any) -> Probe:
    return Probe(partial(sync.connect, address, timeout=5), **options)


def echoes(address: str) -> bool:
    with sync.connect(address, timeout=5) as channel:
        return bool(channel.call(INTEROP["Echo"], {"number": 7}, timeout=LIMIT).number == 7)


def known() -> list[str]:
    """Every service that is vendored."""
    return sorted({name for release in releases() for name in service_names(release)})


def ttrpc(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolkit", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)


@pytest.fixture
def server(peer: Peer, foreign_servers: Callable[[Peer], ForeignServer]) -> Iterator[ForeignServer]:
    """A foreign server; it is as well afterwards as it was before."""
    server = foreign_servers(peer)
    yield server
    assert server.alive
    assert "panic" not in server.said


# By what is answered to methods that nobody has


@pytest.mark.parametrize("peer", TELLING, ids=lambda peer: peer.path)
def test_a_foreign_server_has_its_service_and_no_other(server: ForeignServer) -> None:
    with asking(server.address) as probe:
        assert probe.has(INTEROP.name)
        assert not probe.has(ABSENT.name)
        assert probe.served(known()) == []

    assert echoes(server.address)


@pytest.mark.parametrize("peer", TELLING, ids=lambda peer: peer.path)
def test_all_questions_to_such_a_server_are_of_a_method_that_nobody_has(
    server: ForeignServer,
) -> None:
    questions: list[str] = []

    with asking(server.address, told=questions.append) as probe:
        probe.served([INTEROP.name, *known()])

    assert len(questions) > len(known())
    assert [text for text in questions if "/TtrpcToolkitProbe: " not in text] == []


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_our_server_has_its_service_and_no_other(kind: str) -> None:
    with ours.serving(kind, INTEROP, implementation(kind)) as address, asking(address) as probe:
        assert probe.has(INTEROP.name)
        assert not probe.has(ABSENT.name)
        assert probe.served(known()) == []


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_probing_our_server_runs_no_handler(kind: str) -> None:
    calls: list[str] = []

    def count(call: Any, proceed: Any) -> Any:
        calls.append(call.method.name)
        return proceed(call)

    with ours.serving(kind, INTEROP, implementation(kind), interceptors=[count]) as address:
        with asking(address) as probe:
            assert probe.served([INTEROP.name, *known()]) == [INTEROP.name]
        assert calls == []

        assert echoes(address)
        assert calls == ["Echo"]  # so it would have been seen


# By bytes that no decoder takes


@pytest.fixture
def rust_sync() -> Iterator[ForeignServer]:
    """Rust's blocking server, of this test alone: its connections are broken on purpose."""
    with foreign.serving(RUST_SYNC) as server:
        yield server
        assert server.alive
        assert "panicked" not in server.said
        assert echoes(server.address)


def test_rusts_blocking_server_has_a_service_of_which_a_reading_method_is_known(
    rust_sync: ForeignServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READ_ONLY, INTEROP.name, "Echo")
    monkeypatch.setitem(READ_ONLY, ABSENT.name, "Echo")
    questions: list[str] = []

    with asking(rust_sync.address, told=questions.append) as probe:
        assert probe.has(INTEROP.name)
        assert probe.has(INTEROP.name)
        assert not probe.has(ABSENT.name)
        assert probe.served(known()) == []

    assert {text.partition(":")[0] for text in questions if INTEROP.name in text} == {
        f"{INTEROP.name}/Echo"
    }
    assert [text for text in questions if text.endswith(": answered")] == []


def test_rusts_blocking_server_serves_others_while_it_is_probed(
    rust_sync: ForeignServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READ_ONLY, INTEROP.name, "Echo")

    with sync.connect(rust_sync.address, timeout=5) as channel:
        echo = channel.client(INTEROP).Echo
        assert echo(number=1, timeout=LIMIT).number == 1
        with asking(rust_sync.address) as probe:
            assert probe.has(INTEROP.name)
        assert echo(number=2, timeout=LIMIT).number == 2


def test_rusts_blocking_server_is_not_asked_about_what_is_not_known_to_read(
    rust_sync: ForeignServer,
) -> None:
    questions: list[str] = []

    with asking(rust_sync.address, told=questions.append) as probe:
        assert not probe.has(INTEROP.name)  # it cannot be told

    assert [text for text in questions if INTEROP.name in text] == []


def test_rusts_blocking_server_is_not_asked_by_path_where_that_is_not_wanted(
    rust_sync: ForeignServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(READ_ONLY, INTEROP.name, "Echo")
    questions: list[str] = []

    with asking(rust_sync.address, by_path=False, told=questions.append) as probe:
        assert not probe.has(INTEROP.name)

    assert [text for text in questions if "Echo" in text] == []


# A shim in Rust, whose binary says nothing


@pytest.fixture
def shim_task(foreign_servers: Callable[[Peer], ForeignServer]) -> Iterator[ForeignServer]:
    """The task service over containerd-shim-protos."""
    server = foreign_servers(SHIM_PROTOS)
    yield server
    assert server.alive


def test_a_rust_shim_is_found_to_have_the_task_service(shim_task: ForeignServer) -> None:
    found = finding.probed(shim_task.address)

    assert found.services == [TASK.name]
    assert [schema.name for schema in found.schemas] == [TASK.schema.name]
    assert found.release


@pytest.mark.parametrize("peer", [GO, RUST, RUST_SYNC], ids=lambda peer: peer.path)
def test_a_server_of_services_that_are_not_vendored_is_not_known(server: ForeignServer) -> None:
    with pytest.raises(NoSchema, match=r"it has none of the \d+ services that are known here"):
        finding.probed(server.address)


def test_list_prints_a_rust_shims_service(shim_task: ForeignServer) -> None:
    done = ttrpc("list", shim_task.address)

    assert (done.returncode, done.stdout) == (0, f"{TASK.name}\n"), done.stderr
    assert "the peer has none, and was probed" in done.stderr


def test_describe_takes_a_short_name_of_a_rust_shim(shim_task: ForeignServer) -> None:
    done = ttrpc("describe", shim_task.address, "Task")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{TASK.name} is a service:\n// Runs one or more containers: ")
    assert "\nservice Task {\n" in done.stdout
    assert done.stdout.count("\n  rpc ") == 17


def test_call_reaches_a_rust_shim_by_a_methods_name_alone(shim_task: ForeignServer) -> None:
    done = ttrpc("call", shim_task.address, "Connect", "-d", json.dumps({"id": TASK_ID}))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "shimPid": shim_task.process.pid,
        "taskPid": TASK_PID,
        "version": "interop",
    }


def test_state_which_the_program_did_not_write_is_what_a_rust_shim_refuses(
    shim_task: ForeignServer,
) -> None:
    done = ttrpc("call", shim_task.address, "State", "-d", json.dumps({"id": TASK_ID}))

    # Its handler, so the call got there: codegen.rs has NOT_FOUND for what is not overridden.
    assert done.returncode == 69
    assert f"Message: /{TASK.name}/State is not supported" in done.stderr


def test_the_other_task_service_of_a_rust_shim_is_refused_and_the_right_one_named(
    shim_task: ForeignServer,
) -> None:
    done = ttrpc("call", shim_task.address, "containerd.task.v2.Task/Connect", "-d", "{}")

    assert done.returncode == 67  # INVALID_ARGUMENT: Rust async/server.rs
    assert f"(this peer has {TASK.name}: call {TASK.name}/Connect)" in done.stderr


def test_verbosely_list_shows_each_question_and_its_answer(shim_task: ForeignServer) -> None:
    done = ttrpc("list", shim_task.address, "-v")

    asked = [line for line in done.stderr.splitlines() if "/TtrpcToolkitProbe: " in line]
    assert f"  {TASK.name}/TtrpcToolkitProbe: UNIMPLEMENTED: TtrpcToolkitProbe method" in asked
    old = "containerd.task.v2.Task"
    assert f"  {old}/TtrpcToolkitProbe: INVALID_ARGUMENT: {old} service does not exist" in asked
    assert len(asked) > 15
    assert done.stdout == f"{TASK.name}\n"


def test_without_verbose_list_shows_no_question(shim_task: ForeignServer) -> None:
    done = ttrpc("list", shim_task.address)

    assert "TtrpcToolkitProbe" not in done.stderr


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_without_probing_a_rust_shim_stays_unknown(shim_task: ForeignServer, verb: str) -> None:
    done = ttrpc(verb, shim_task.address, "--no-probe", "-v")

    assert (done.returncode, done.stdout) == (1, "")
    assert "TtrpcToolkitProbe" not in done.stderr
    assert "it was not to be probed; -s names its schema" in done.stderr


# How much is asked


class Task:
    """A task service that notes what reaches it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        self.called.append(request.id)
        return {"id": request.id, "status": "RUNNING"}


@contextlib.contextmanager
def counting(task: Task) -> Iterator[tuple[str, list[int]]]:
    """The address of a server, and the type of each frame that it has received."""
    received: list[int] = []

    def trace(direction: str, stream_id: int, message_type: int, flags: int, length: int) -> None:
        if direction == "received":
            received.append(message_type)

    with ours.serving("sync", TASK, task, trace=trace) as address:
        yield address, received


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_with_probing_off_only_reflection_is_asked_for(verb: str) -> None:
    task = Task()

    with counting(task) as (address, received):
        done = ttrpc(verb, address, "--no-probe")

    assert done.returncode == 1
    assert (received, task.called) == ([REQUEST], [])


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_with_probing_there_are_some_questions_more(verb: str) -> None:
    task = Task()

    with counting(task) as (address, received):
        done = ttrpc(verb, address)

    assert (done.returncode, task.called) == (0, []), done.stderr
    assert TASK.name in done.stdout
    assert set(received) == {REQUEST}
    assert 15 < len(received) < len(known()) + 5


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_with_a_schema_of_its_own_nothing_is_asked(verb: str) -> None:
    task = Task()

    with counting(task) as (address, received):
        done = ttrpc(verb, address, "-s", "containerd")

    assert done.returncode == 0, done.stderr
    assert received == []


def test_a_call_is_never_preceded_by_a_probe() -> None:
    task = Task()

    with counting(task) as (address, received):
        done = ttrpc("call", address, "State", "-d", '{"id": "web"}')

    assert done.returncode == 0, done.stderr
    assert (received, task.called) == ([REQUEST] * 2, ["web"])  # reflection, and the call
