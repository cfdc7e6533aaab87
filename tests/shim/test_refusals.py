"""What the shim refuses, with which code and words."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.caller import Caller, process_spec
from toolkit.errors import RpcError
from toolkit.shim.process import ProcessShim
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITH_EXEC = ["State", "Start", "Delete", "Kill", "ResizePty", "CloseIO", "Wait"]
WITHOUT_EXEC = ["Pids", "Pause", "Resume", "Checkpoint", "Update", "Stats"]


def refusal(call: Caller, method: str, **fields: Any) -> RpcError:
    with pytest.raises(RpcError) as caught:
        call(method, **fields)
    return caught.value


@pytest.mark.parametrize("method", WITH_EXEC + WITHOUT_EXEC)
def test_an_unknown_container_is_not_found(method: str, call: Caller) -> None:
    error = refusal(call, method, id="nobody")

    assert error.code is Code.NOT_FOUND
    assert "'nobody'" in error.message


def test_exec_in_an_unknown_container_is_not_found(call: Caller) -> None:
    error = refusal(call, "Exec", id="nobody", exec_id="x", spec=process_spec("true"))

    assert error.code is Code.NOT_FOUND


@pytest.mark.parametrize("method", WITH_EXEC)
def test_an_unknown_exec_is_not_found(method: str, call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)

    error = refusal(call, method, id="web", exec_id="nobody")

    assert error.code is Code.NOT_FOUND
    assert "'nobody'" in error.message


def test_connect_to_an_unknown_container_answers_without_its_pid(call: Caller) -> None:
    reply = call("Connect", id="nobody")

    assert reply.shim_pid > 0
    assert reply.task_pid == 0


def test_a_second_create_is_refused_and_leaves_the_first_alone(call: Caller, sleeper: Path) -> None:
    pid = call.run("web", sleeper)

    error = refusal(call, "Create", id="web", bundle=str(sleeper))

    assert error.code is Code.ALREADY_EXISTS
    assert call("State", id="web").pid == pid


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("Start", "cannot start container 'web': it is RUNNING, and has to be CREATED"),
        ("Delete", "cannot delete container 'web': it is RUNNING, and has to be CREATED or"),
        ("Resume", "cannot resume container 'web': it is RUNNING, and has to be PAUSED"),
    ],
)
def test_a_running_container_refuses(method: str, words: str, call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)

    error = refusal(call, method, id="web")

    assert error.code is Code.FAILED_PRECONDITION
    assert words in error.message
    assert call("State", id="web").status == 2


@pytest.mark.parametrize("method", ["Start", "Pause", "Resume", "Stats"])
def test_a_stopped_container_refuses(
    method: str, call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call.run("web", make_bundle("true"))
    call.wait("web")

    assert refusal(call, method, id="web").code is Code.FAILED_PRECONDITION


def test_a_stopped_container_takes_no_exec(call: Caller, make_bundle: Callable[..., Path]) -> None:
    call.run("web", make_bundle("true"))
    call.wait("web")

    error = refusal(call, "Exec", id="web", exec_id="x", spec=process_spec("true"))

    assert error.code is Code.FAILED_PRECONDITION
    assert "STOPPED" in error.message


def test_a_paused_container_starts_no_exec(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    call("Exec", id="web", exec_id="x", spec=process_spec("true"))
    call("Pause", id="web")

    error = refusal(call, "Start", id="web", exec_id="x")

    assert error.code is Code.FAILED_PRECONDITION
    assert "PAUSED" in error.message


def test_kill_of_an_ended_process_is_not_found(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call.run("web", make_bundle("true"))
    call.wait("web")

    error = refusal(call, "Kill", id="web", signal=signal.SIGTERM)

    assert error.code is Code.NOT_FOUND
    assert "already ended" in error.message


def test_kill_of_an_exec_that_was_not_started_is_refused(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    call("Exec", id="web", exec_id="x", spec=process_spec("true"))

    error = refusal(call, "Kill", id="web", exec_id="x", signal=signal.SIGTERM)

    assert error.code is Code.FAILED_PRECONDITION


def test_kill_with_a_number_that_is_no_signal_is_refused(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)

    error = refusal(call, "Kill", id="web", signal=4000)

    assert error.code is Code.INVALID_ARGUMENT
    assert "4000" in error.message


@pytest.mark.parametrize("method", ["Checkpoint", "Update"])
def test_what_a_host_process_cannot_do_is_unimplemented(
    method: str, call: Caller, sleeper: Path
) -> None:
    call.run("web", sleeper)

    assert refusal(call, method, id="web").code is Code.UNIMPLEMENTED


def test_a_program_that_does_not_exist_fails_at_start_by_name(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call("Create", id="web", bundle=str(make_bundle("no-such-program")))

    error = refusal(call, "Start", id="web")

    assert error.code is Code.INVALID_ARGUMENT
    assert "'no-such-program'" in error.message
    assert "No such file" in error.message
    assert call("State", id="web").exit_status == 127
    assert call("Delete", id="web").exit_status == 127


def test_a_program_that_may_not_be_run_fails_at_start(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("")
    call("Create", id="web", bundle=str(make_bundle(str(tmp_path / "plain"))))

    error = refusal(call, "Start", id="web")

    assert "Permission denied" in error.message
    assert call.wait("web") == 126


def test_create_without_an_id_is_refused(call: Caller, sleeper: Path) -> None:
    assert refusal(call, "Create", bundle=str(sleeper)).code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("bundle", ["", "/a\0b"])
def test_create_without_the_path_of_a_bundle_is_refused(bundle: str, call: Caller) -> None:
    error = refusal(call, "Create", id="web", bundle=bundle)

    assert error.code is Code.INVALID_ARGUMENT
    assert "bundle is" in error.message


def test_create_with_a_terminal_is_unimplemented(call: Caller, sleeper: Path) -> None:
    error = refusal(call, "Create", id="web", bundle=str(sleeper), terminal=True)

    assert error.code is Code.UNIMPLEMENTED


def test_create_from_a_checkpoint_is_unimplemented(call: Caller, sleeper: Path) -> None:
    error = refusal(call, "Create", id="web", bundle=str(sleeper), checkpoint="/saved")

    assert error.code is Code.UNIMPLEMENTED


def test_create_without_a_bundle_names_the_file_that_is_missing(
    call: Caller, tmp_path: Path
) -> None:
    error = refusal(call, "Create", id="web", bundle=str(tmp_path / "gone"))

    assert error.code is Code.INVALID_ARGUMENT
    assert str(tmp_path / "gone" / "config.json") in error.message


class Shutdowns:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def shutdowns() -> Shutdowns:
    return Shutdowns()


@pytest.fixture
def shim(shutdowns: Shutdowns) -> Any:
    shim = ProcessShim(on_shutdown=shutdowns)
    yield shim
    shim.close()


def test_shutdown_is_ignored_while_a_container_is_left(
    call: Caller, sleeper: Path, shutdowns: Shutdowns
) -> None:
    call.run("web", sleeper)

    call("Shutdown", id="web")

    assert shutdowns.count == 0
    assert call("State", id="web").status == 2


def test_shutdown_without_containers_ends_the_shim(
    call: Caller, sleeper: Path, shutdowns: Shutdowns
) -> None:
    call("Shutdown", id="web")

    assert shutdowns.count == 1
    assert refusal(call, "Create", id="web", bundle=str(sleeper)).code is Code.UNAVAILABLE


def test_shutdown_now_ends_the_shim_with_containers(
    call: Caller, sleeper: Path, shutdowns: Shutdowns
) -> None:
    call.run("web", sleeper)

    call("Shutdown", id="web", now=True)

    assert shutdowns.count == 1
