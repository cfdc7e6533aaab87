"""Our process shim under real containerd: what `ctr` does with it, and what stays behind."""

from __future__ import annotations

import os
import signal
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.process_runtime import LINES, awaited, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.process_runtime import Event, Runtime

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]


@pytest.fixture(scope="module", params=LINES)
def runtime(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    with running(request.param) as runtime:
        yield runtime


@pytest.fixture
def sleeper(runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[str]:
    """The id of a container that sleeps."""
    name = f"sleeper-{abs(hash(request.node.nodeid)) % 10**8}"
    runtime.run(name, "sleep", "1000")
    yield name
    runtime.remove(name)
    assert runtime.leftovers(name) == []


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def topics(events: list[Event], container_id: str) -> list[str]:
    return [one.topic for one in events if one.values.get("container_id") == container_id]


def test_run_shows_the_output_and_ends_with_the_exit_status(runtime: Runtime) -> None:
    script = "echo out; echo err >&2; exit 3"

    done = runtime.call(*runtime.arguments("once", "sh", "-c", script, flags=("--rm",)))

    assert (done.stdout, done.returncode) == ("out\n", 3)
    assert "err\n" in done.stderr
    assert runtime.leftovers("once") == []


def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing(runtime: Runtime) -> None:
    done = runtime.call(*runtime.arguments("none", "/no/such/program"))
    runtime.remove("none")

    assert done.returncode != 0
    assert "cannot run '/no/such/program' on this host: No such file or directory" in done.stderr
    assert runtime.leftovers("none") == []


def test_environment_and_folder_are_those_of_the_spec(runtime: Runtime) -> None:
    flags = ("--rm", "--env", "COLOUR=red", "--cwd", "/proc")

    done = runtime.call(*runtime.arguments("spec", "sh", "-c", "echo $COLOUR; pwd", flags=flags))

    assert done.stdout == "red\n/proc\n"


def test_a_running_task_is_listed_with_its_pid(runtime: Runtime, sleeper: str) -> None:
    pid, state = runtime.tasks()[sleeper]

    assert state == "RUNNING"
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x001000\0"
    assert str(pid) in runtime.ctr("task", "ps", sleeper)


def test_exec_shows_the_output_and_ends_with_the_exit_status(
    runtime: Runtime, sleeper: str
) -> None:
    words = ["task", "exec", "--exec-id", "extra", sleeper, "sh", "-c", "echo hello; exit 7"]

    done = runtime.call(*words)

    assert (done.stdout, done.returncode) == ("hello\n", 7)
    assert runtime.state(sleeper) == "RUNNING"


def test_kill_ends_a_task_and_the_caller_who_waits_for_it_learns_how(runtime: Runtime) -> None:
    waiting = runtime.containerd.popen(*runtime.arguments("killed", "sleep", "1000"))
    assert awaited(lambda: runtime.state("killed") == "RUNNING")

    runtime.ctr("task", "kill", "--signal", "SIGKILL", "killed")

    assert waiting.wait(10) == 137
    waiting.communicate()
    runtime.remove("killed")
    assert runtime.leftovers("killed") == []


def test_pause_and_resume(runtime: Runtime, sleeper: str) -> None:
    runtime.ctr("task", "pause", sleeper)
    paused = runtime.state(sleeper)
    runtime.ctr("task", "resume", sleeper)

    assert (paused, runtime.state(sleeper)) == ("PAUSED", "RUNNING")


def test_metrics_are_shown(runtime: Runtime, sleeper: str) -> None:
    assert "pids.current          1" in runtime.ctr("task", "metrics", sleeper)


def test_delete_leaves_nothing(runtime: Runtime) -> None:
    pid = runtime.run("gone", "sleep", "1000")
    shim = runtime.shim("gone")

    runtime.remove("gone")

    assert not is_alive(pid)
    assert awaited(lambda: not is_alive(shim))
    assert runtime.leftovers("gone") == []


def test_the_events_come_in_their_order(runtime: Runtime) -> None:
    with runtime.events() as events:
        for number in range(10):  # one that ends before its Start is answered
            runtime.call(*runtime.arguments(f"short-{number}", "true", flags=("--rm",)))

    for number in range(10):
        wanted = ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
        assert topics(events, f"short-{number}") == wanted


def test_the_events_of_an_exec_and_of_a_pause(runtime: Runtime, sleeper: str) -> None:
    with runtime.events() as events:
        runtime.call("task", "exec", "--exec-id", "extra", sleeper, "sh", "-c", "exit 7")
        runtime.ctr("task", "pause", sleeper)
        runtime.ctr("task", "resume", sleeper)

    assert [one.topic for one in events] == [
        "/tasks/exec-added",
        "/tasks/exec-started",
        "/tasks/exit",
        "/tasks/paused",
        "/tasks/resumed",
    ]
    assert (events[2].values["id"], events[2].values["exit_status"]) == ("extra", 7)


def test_containers_of_a_group_share_a_shim(runtime: Runtime) -> None:
    group = ("--annotation", "io.containerd.runc.v2.group=pod")
    runtime.run("pod", "sleep", "1000", flags=group)
    other = runtime.run("member", "sleep", "1000", flags=group)

    shims = [list(runtime.containerd.shims(name)) for name in ("pod", "member")]
    parent = int(Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()[1])
    runtime.remove("pod")
    left = runtime.state("member")
    runtime.remove("member")

    assert shims == [[parent], []]
    assert left == "RUNNING"
    assert awaited(lambda: not is_alive(parent))
    assert runtime.leftovers("pod", "member") == []


def test_the_log_of_the_shim_is_in_containerds(runtime: Runtime) -> None:
    runtime.run("logs", "sleep", "1000")
    shim = runtime.shim("logs")

    os.kill(shim, signal.SIGTERM)

    line = 'msg="SIGTERM: shutting down"'
    assert awaited(lambda: any(line in text for text in runtime.containerd.log))
    assert awaited(lambda: not runtime.state("logs"))
    runtime.remove("logs")
    assert runtime.leftovers("logs") == []


def test_containerd_finds_a_running_task_again_after_a_restart(
    runtime: Runtime, sleeper: str
) -> None:
    before, shim = runtime.tasks()[sleeper], runtime.shim(sleeper)

    runtime.containerd.stop()
    runtime.containerd.start()

    assert runtime.tasks()[sleeper] == before
    assert runtime.shim(sleeper) == shim
    done = runtime.call("task", "exec", "--exec-id", "later", sleeper, "sh", "-c", "exit 5")
    assert done.returncode == 5
    with runtime.events() as events:
        runtime.ctr("task", "kill", "--signal", "SIGKILL", sleeper)
        assert awaited(lambda: runtime.state(sleeper) == "STOPPED")
    assert topics(events, sleeper) == ["/tasks/exit"]


def test_what_ends_while_containerd_is_away_is_told_when_it_is_back(runtime: Runtime) -> None:
    pid = runtime.run("meanwhile", "sleep", "1000")
    shim = runtime.shim("meanwhile")

    runtime.containerd.stop()
    os.kill(pid, signal.SIGKILL)
    assert awaited(lambda: not is_alive(pid))
    runtime.containerd.start()

    assert runtime.state("meanwhile") in ("STOPPED", "")  # 2.4 removes a task that has ended
    runtime.remove("meanwhile")
    assert awaited(lambda: not is_alive(shim))
    assert runtime.leftovers("meanwhile") == []


def test_containerd_cleans_up_after_a_shim_that_was_killed(runtime: Runtime) -> None:
    script = "sleep 1001 & sleep 1002"  # a child of the container's process, too
    pid = runtime.run("orphan", "sh", "-c", script)
    runtime.call("task", "exec", "--detach", "--exec-id", "extra", "orphan", "sleep", "1003")
    shim = runtime.shim("orphan")
    members = [int(word) for word in runtime.ctr("task", "ps", "orphan").split() if word.isdigit()]

    with runtime.events() as events:
        os.kill(shim, signal.SIGKILL)
        assert awaited(lambda: "orphan" not in runtime.tasks())
        assert awaited(lambda: not any(is_alive(member) for member in members))
        assert awaited(lambda: not runtime.containerd.bundle("orphan").exists())

    assert pid in members
    assert len(members) >= 4
    assert topics(events, "orphan") == ["/tasks/exit", "/tasks/delete"]
    told = events[0].values
    assert (told["pid"], told["exit_status"]) == (pid, 137)
    runtime.remove("orphan")
    assert runtime.leftovers("orphan") == []


def test_a_hundred_in_a_row_leave_nothing(runtime: Runtime) -> None:
    def once(number: int) -> float:
        begin = time.monotonic()
        done = runtime.call(*runtime.arguments(f"row-{number}", "echo", "hi", flags=("--rm",)))
        assert (done.stdout, done.returncode) == ("hi\n", 0), done.stderr
        return time.monotonic() - begin

    once(0)
    before = runtime.descriptors()
    times = [once(number) for number in range(1, 101)]

    assert awaited(lambda: runtime.descriptors() <= before)
    assert runtime.leftovers(*(f"row-{number}" for number in range(101))) == []
    print(f"ctr run --rm: median {statistics.median(times):.3f} s, max {max(times):.3f} s")


def test_twenty_at_once_leave_nothing(runtime: Runtime) -> None:
    names = [f"many-{number}" for number in range(20)]
    runtime.call(*runtime.arguments("first", "true", flags=("--rm",)))
    before = runtime.descriptors()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda name: runtime.run(name, "sleep", "1000"), names))
        states = {name: runtime.tasks()[name][1] for name in names}
        list(pool.map(runtime.remove, names))

    assert states == dict.fromkeys(names, "RUNNING")
    assert runtime.leftovers(*names) == []
    assert awaited(lambda: runtime.descriptors() <= before)


def test_the_kernel_names_the_server_as_who_listens(runtime: Runtime, sleeper: str) -> None:
    import socket
    import struct

    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(runtime.socket(sleeper)))
        told = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)

    assert struct.unpack("3i", told)[0] == runtime.shim(sleeper)
