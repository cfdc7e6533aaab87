"""Processes that are added to a container."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING

import pytest

from tests.shim.caller import is_alive, process_spec
from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shim.caller import Caller

CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4


@pytest.fixture
def web(call: Caller, sleeper: Path) -> int:
    """The pid of a running container named web."""
    return call.run("web", sleeper)


@pytest.mark.usefixtures("web")
def test_an_exec_has_its_own_life(call: Caller) -> None:
    call("Exec", id="web", exec_id="extra", spec=process_spec("sh", "-c", "read x; exit 8"))
    created = call("State", id="web", exec_id="extra")
    pid = call("Start", id="web", exec_id="extra").pid
    status = call.wait("web", "extra")
    ended = call("State", id="web", exec_id="extra")
    deleted = call("Delete", id="web", exec_id="extra")

    assert (created.status, created.pid, created.exec_id) == (CREATED, 0, "extra")
    assert status == 8
    assert (ended.status, ended.pid, ended.exit_status) == (STOPPED, pid, 8)
    assert (deleted.pid, deleted.exit_status) == (pid, 8)
    assert call("State", id="web").status == RUNNING


@pytest.mark.usefixtures("web")
def test_an_exec_has_its_own_stdio_env_and_cwd(call: Caller, tmp_path: Path) -> None:
    spec = process_spec("sh", "-c", 'echo "$A $(pwd)"', env=["A=b", "PATH=/bin"], cwd="/usr")
    call("Exec", id="web", exec_id="extra", spec=spec, stdout=str(tmp_path / "out"))

    call("Start", id="web", exec_id="extra")
    call.wait("web", "extra")

    assert (tmp_path / "out").read_text() == "b /usr\n"
    assert call("State", id="web", exec_id="extra").stdout == str(tmp_path / "out")


def test_kill_of_an_exec_leaves_the_container_running(call: Caller, web: int) -> None:
    call.exec("web", "extra", "sleep", "1000")

    call("Kill", id="web", exec_id="extra", signal=signal.SIGTERM)

    assert call.wait("web", "extra") == 143
    assert call("State", id="web").pid == web
    assert call("State", id="web").status == RUNNING


@pytest.mark.usefixtures("web")
def test_execs_end_with_their_container(call: Caller) -> None:
    pid = call.exec("web", "extra", "sleep", "1000")

    call("Kill", id="web", signal=signal.SIGKILL)
    call.wait("web")

    assert not is_alive(pid)
    assert call("State", id="web", exec_id="extra").exit_status == 137


@pytest.mark.usefixtures("web")
def test_an_exec_id_is_free_again_after_delete(call: Caller) -> None:
    for _ in range(2):
        call.exec("web", "extra", "true")
        call.wait("web", "extra")
        call("Delete", id="web", exec_id="extra")


@pytest.mark.usefixtures("web")
def test_an_exec_that_was_never_started_can_be_deleted(call: Caller) -> None:
    call("Exec", id="web", exec_id="extra", spec=process_spec("true"))

    assert call("Delete", id="web", exec_id="extra").pid == 0


def test_pids_name_the_execs_and_count_what_they_started(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    fifo = tmp_path / "ready"
    os.mkfifo(fifo)
    pid = call.run("web", make_bundle("sh", "-c", "sleep 1000 & echo $!; wait"), stdout=str(fifo))
    with fifo.open() as reader:
        child = int(reader.readline())
    extra = call.exec("web", "extra", "sleep", "1000")

    processes = call("Pids", id="web").processes

    schema = call.service.schema
    names = {each.pid: schema.unpack(each.info).exec_id for each in processes if each.info.value}
    assert {each.pid for each in processes} == {pid, child, extra}
    assert names == {extra: "extra"}


def test_kill_all_reaches_what_the_program_has_started(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "in")
    os.mkfifo(tmp_path / "out")
    script = "trap : USR1; sh -c 'echo $$; exec sleep 1000' & until read line; do :; done; exit 5"
    stdio = {name: str(tmp_path / name[3:]) for name in ("stdin", "stdout")}
    call.run("web", make_bundle("sh", "-c", script), **stdio)
    with (tmp_path / "out").open() as reader:
        child = os.pidfd_open(int(reader.readline()))

    call("Kill", id="web", signal=signal.SIGUSR1, all=True)

    assert select.select([child], [], [], 10)[0]
    os.close(child)
    (tmp_path / "in").write_text("go on\n")
    assert call.wait("web") == 5


@pytest.mark.usefixtures("web")
def test_pause_and_resume_reach_the_execs(call: Caller) -> None:
    pid = call.exec("web", "extra", "sleep", "1000")

    call("Pause", id="web")
    stopped = os.waitid(os.P_PID, pid, os.WSTOPPED)
    status = call("State", id="web", exec_id="extra").status
    call("Resume", id="web")
    resumed = os.waitid(os.P_PID, pid, os.WCONTINUED)

    assert stopped is not None
    assert status == PAUSED
    assert resumed is not None


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"spec": process_spec("true")}, Code.INVALID_ARGUMENT, "exec_id is empty"),
        ({"exec_id": "taken", "spec": process_spec("true")}, Code.ALREADY_EXISTS, "'taken'"),
        ({"exec_id": "x"}, Code.INVALID_ARGUMENT, "spec holds 'nothing'"),
        ({"exec_id": "x", "spec": {"type_url": "a.B"}}, Code.INVALID_ARGUMENT, "'a.B'"),
        ({"exec_id": "x", "spec": process_spec()}, Code.INVALID_ARGUMENT, "spec.args"),
        (
            {"exec_id": "x", "spec": process_spec("sh"), "terminal": True},
            Code.UNIMPLEMENTED,
            "terminal",
        ),
    ],
)
def test_exec_refuses(call: Caller, fields: dict[str, object], code: Code, words: str) -> None:
    call("Exec", id="web", exec_id="taken", spec=process_spec("true"))

    with pytest.raises(RpcError) as caught:
        call("Exec", id="web", **fields)

    assert caught.value.code is code
    assert words in caught.value.message
