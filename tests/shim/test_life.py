"""What a container goes through, from Create to Delete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.shim.caller import Caller, is_alive
from toolkit.shim.process import TASK_SERVICES, ProcessShim

if TYPE_CHECKING:
    from collections.abc import Callable

CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4
LINES = [each.name for each in toolkit.releases() if each.project == "containerd"]


@pytest.mark.parametrize("line", LINES)
def test_a_whole_life_with_every_containerd_line(
    line: str, shim: ProcessShim, sleeper: Path
) -> None:
    schema = toolkit.load(line)
    offered = {service.name for service in schema.services()}

    for name in offered & set(TASK_SERVICES):
        call = Caller(shim, schema.service(name))
        assert call("Create", id="web", bundle=str(sleeper)).pid > 0
        pid = call("Start", id="web").pid
        assert call("State", id="web").pid == pid
        assert call("Connect", id="web").task_pid == pid
        call("Kill", id="web", signal=signal.SIGKILL)
        assert call("Wait", id="web").exit_status == 137
        assert call("Delete", id="web").pid == pid


def test_the_program_runs_only_from_start_on(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = make_bundle("touch", str(tmp_path / "ran"))

    call("Create", id="never", bundle=str(bundle))
    call("Delete", id="never")

    assert not (tmp_path / "ran").exists()
    call.run("once", bundle)
    assert call.wait("once") == 0
    assert (tmp_path / "ran").exists()


def test_the_pid_is_that_of_a_process_of_ours_from_create_on(call: Caller, sleeper: Path) -> None:
    created = call("Create", id="web", bundle=str(sleeper)).pid
    parent = _status(created)["PPid"]
    started = call("Start", id="web").pid

    assert started == created
    assert parent == str(os.getpid())
    assert _status(started)["Name"] == "sleep"


def test_state_follows_the_process(call: Caller, sleeper: Path) -> None:
    seen = []

    call("Create", id="web", bundle=str(sleeper))
    seen.append(call("State", id="web").status)
    call("Start", id="web")
    seen.append(call("State", id="web").status)
    call("Pause", id="web")
    seen.append(call("State", id="web").status)
    call("Resume", id="web")
    seen.append(call("State", id="web").status)
    call("Kill", id="web", signal=signal.SIGTERM)
    call.wait("web")
    state = call("State", id="web")

    assert [*seen, state.status] == [CREATED, RUNNING, PAUSED, RUNNING, STOPPED]
    assert state.exit_status == 128 + signal.SIGTERM
    assert state.bundle == str(sleeper)


def test_exited_at_is_when_it_ended(call: Caller, make_bundle: Callable[..., Path]) -> None:
    before = time.time()

    call.run("web", make_bundle("true"))
    waited = call("Wait", id="web")

    assert before <= waited.exited_at.ToNanoseconds() / 1e9 <= time.time()
    assert call("State", id="web").exited_at == waited.exited_at
    assert call("Delete", id="web").exited_at == waited.exited_at


def test_a_running_process_has_no_exited_at(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)

    assert not call("State", id="web").HasField("exited_at")


@pytest.mark.parametrize("status", [0, 7, 255])
def test_the_exit_status_is_the_programs(
    status: int, call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call.run("web", make_bundle("sh", "-c", f"exit {status}"))

    assert call.wait("web") == status
    assert call("Delete", id="web").exit_status == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_created_container_can_be_killed(number: int, call: Caller, sleeper: Path) -> None:
    call("Create", id="web", bundle=str(sleeper))

    call("Kill", id="web", signal=number)

    assert call.wait("web") == 128 + number
    assert call("State", id="web").status == STOPPED


def test_deleting_a_created_container_ends_its_process(call: Caller, sleeper: Path) -> None:
    pid = call("Create", id="web", bundle=str(sleeper)).pid

    deleted = call("Delete", id="web")

    assert (deleted.pid, deleted.exit_status) == (pid, 137)
    assert not is_alive(pid)


def test_an_id_is_free_again_after_delete(call: Caller, make_bundle: Callable[..., Path]) -> None:
    for status in (1, 2):
        call.run("web", make_bundle("sh", "-c", f"exit {status}"))
        assert call.wait("web") == status
        call("Delete", id="web")


def test_pause_stops_the_process_and_resume_lets_it_go_on(call: Caller, sleeper: Path) -> None:
    pid = call.run("web", sleeper)

    call("Pause", id="web")
    stopped = os.waitid(os.P_PID, pid, os.WSTOPPED)
    call("Resume", id="web")
    resumed = os.waitid(os.P_PID, pid, os.WCONTINUED)

    assert stopped is not None
    assert stopped.si_status == signal.SIGSTOP
    assert resumed is not None


def test_a_paused_container_can_be_killed(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    call("Pause", id="web")

    call("Kill", id="web", signal=signal.SIGKILL)

    assert call.wait("web") == 137


def test_args_env_and_cwd_are_those_of_the_config(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    env = ["PATH=/usr/bin:/bin", "A=first", "B=", "C.D=x=y", "LC_ALL=tlh", "A=second"]
    args = ["sh", "-c", 'printf "%s\\n" "$@"; readlink /proc/self/cwd; exec env', "sh", "", "a b"]
    bundle = make_bundle(*args, env=env, cwd="/usr")

    call.run("web", bundle, stdout=str(tmp_path / "out"))
    call.wait("web")

    lines = (tmp_path / "out").read_text().splitlines()
    assert lines[:3] == ["", "a b", "/usr"]
    # The shell adds PWD, and drops a name that is not one to it.
    assert set(lines[3:]) - {"PWD=/usr"} <= {"PATH=/usr/bin:/bin", "A=second", "B=", "LC_ALL=tlh"}


def test_the_environment_is_exactly_the_given_one(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    env = ["C.D=x=y", "PYTHONHOME=/nowhere", "LD_LIBRARY_PATH=/nowhere"]

    call.run("web", make_bundle("/usr/bin/env", env=env), stdout=str(tmp_path / "out"))

    assert call.wait("web") == 0
    assert (tmp_path / "out").read_text().splitlines() == env


def test_the_program_starts_with_no_signal_ignored_or_blocked(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    call.run("web", make_bundle("cat", "/proc/self/status"), stdout=str(tmp_path / "out"))
    call.wait("web")

    fields = _fields((tmp_path / "out").read_text())
    # 32 and 33 belong to glibc's threads; a process that make starts has them ignored, for good.
    reserved = 1 << 31 | 1 << 32
    assert int(fields["SigIgn"], 16) & ~reserved == 0
    assert int(fields["SigBlk"], 16) == 0


def test_the_program_gets_three_file_descriptors(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    call.run("web", make_bundle("ls", "/proc/self/fd"), stdout=str(tmp_path / "out"))
    call.wait("web")

    assert (tmp_path / "out").read_text().split() == ["0", "1", "2", "3"]  # ls opens the fourth


def test_what_the_program_has_started_ends_with_it(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    # In a job of its own, so that killing the process group would not do.
    script = 'set -m; sleep 1000 & echo "$!"'
    call.run("web", make_bundle("sh", "-c", script), stdout=str(tmp_path / "out"))

    call.wait("web")

    assert not _runs(int((tmp_path / "out").read_text()))


def test_close_ends_whatever_is_left(call: Caller, sleeper: Path) -> None:
    pids = [call("Create", id="created", bundle=str(sleeper)).pid, call.run("running", sleeper)]
    pids.append(call.exec("running", "extra", "sleep", "1000"))

    call.shim.close()

    assert not any(is_alive(pid) for pid in pids)


def test_a_shim_that_nobody_closed_ends_its_containers_with_python(
    sleeper: Path,
) -> None:
    program = """
import sys, toolkit
from toolkit.shim.process import ProcessShim
request = toolkit.load("containerd").message("containerd.task.v3.CreateTaskRequest")
print(ProcessShim().Create(request(id="web", bundle=sys.argv[1]), None)["pid"])
"""
    command = [sys.executable, "-c", program, str(sleeper)]

    pid = int(subprocess.check_output(command, cwd=Path(__file__).parents[2]))

    assert not is_alive(pid)


def test_other_children_of_this_process_are_left_alone(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    other = subprocess.Popen(["sh", "-c", "read line; exit 9"], stdin=subprocess.PIPE)

    call.run("web", make_bundle("true"))
    call.wait("web")
    call.shim.close()

    other.communicate(b"\n")
    assert other.returncode == 9


def test_lives_leave_no_descriptor_thread_or_zombie(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    bundle = make_bundle("true")
    before = _held()
    pids = []

    for _ in range(10):
        pids.append(call.run("web", bundle))
        call.wait("web")
        call("Delete", id="web")

    assert _held() == before
    assert not any(is_alive(pid) for pid in pids)


def _held() -> tuple[int, int]:
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def _status(pid: int) -> dict[str, str]:
    return _fields(Path(f"/proc/{pid}/status").read_text())


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _runs(pid: int) -> bool:
    # Its parent is not ours, so it may be seen as a zombie for a moment.
    try:
        return _status(pid)["State"][0] not in "ZX"
    except FileNotFoundError:
        return False
