"""One host process, and what can go wrong while it is made and started."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.caller import is_alive
from toolkit.errors import RpcError
from toolkit.shim.hosting import host
from toolkit.shim.hosting.container import Container
from toolkit.shim.hosting.host import HostProcess
from toolkit.shim.hosting.oci import ProcessSpec
from toolkit.shim.hosting.stdio import StdioPaths
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

SLEEP = ProcessSpec(("sleep", "1000"), (), "/")


@pytest.fixture
def process() -> Iterator[HostProcess]:
    process = HostProcess(SLEEP, StdioPaths(), folder="/")
    yield process
    process.forget()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def refusal_of_launch(process: HostProcess) -> RpcError:
    """Why it could not be made; nothing may be left of the attempt."""
    before = open_files()
    with pytest.raises(RpcError) as caught:
        process.launch()
    assert open_files() == before
    return caught.value


def test_a_directory_that_has_gone_fails_the_launch() -> None:
    process = HostProcess(SLEEP._replace(cwd="/no/such"), StdioPaths(), folder="/")

    error = refusal_of_launch(process)

    assert error.code is Code.INTERNAL
    assert "/no/such" in error.message


def test_a_launcher_that_dies_fails_the_launch(
    process: HostProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "launcher.py"
    broken.write_text("raise SystemExit")
    monkeypatch.setattr(host, "_LAUNCHER", str(broken))

    error = refusal_of_launch(process)

    assert error.code is Code.INTERNAL
    assert "has died while it was made" in error.message


def test_too_many_open_files_fail_the_launch_and_leave_no_process(
    process: HostProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = []

    def no_pidfd(pid: int) -> int:
        pids.append(pid)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", no_pidfd)

    error = refusal_of_launch(process)

    assert error.code is Code.RESOURCE_EXHAUSTED
    assert not is_alive(pids[0])


def test_a_process_that_died_before_its_start_says_so(process: HostProcess) -> None:
    process.launch()
    process.kill()

    with pytest.raises(RpcError) as caught:
        process.start()

    assert caught.value.code is Code.FAILED_PRECONDITION
    assert "has died before it was started" in caught.value.message


def test_a_process_that_does_not_start_in_time_says_so(
    process: HostProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "_LAUNCH_TIMEOUT", 0.5)
    process.launch()
    process.signal(signal.SIGSTOP)

    with pytest.raises(RpcError) as caught:
        process.start()

    assert caught.value.code is Code.INTERNAL
    assert "did not start within 0.5 s" in caught.value.message


def test_an_exit_that_somebody_else_saw_counts_as_255(
    process: HostProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waitid = os.waitid

    def reaped(*args: Any) -> None:
        waitid(*args)
        raise ChildProcessError

    monkeypatch.setattr(os, "waitid", reaped)
    process.launch()

    process.kill()

    assert process.exit is not None
    assert process.exit.status == 255
    assert "reaped by somebody else" in caplog.text


def test_a_container_that_is_being_deleted_twice_is_gone_the_second_time(tmp_path: Path) -> None:
    container = Container("web", str(tmp_path), SLEEP, StdioPaths())
    container.create()
    container.delete("")

    with pytest.raises(RpcError) as caught:
        container.delete("")

    assert caught.value.code is Code.NOT_FOUND
