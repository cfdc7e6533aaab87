"""The command as a process: pipes that close, Ctrl-C, and a server that signals end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import ttrpc

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SERVED = "containerd.task.v2.Task", "containerd.task.v3.Task"


@contextmanager
def command(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """A running ``ttrpc``; killed at the end where it has not ended."""
    # Unbuffered output would hide a missing flush.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-m", "toolkit", *argv],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def server(*argv: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running ``ttrpc serve`` and its address."""
    with command("serve", *argv) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


def test_the_package_runs_as_a_module() -> None:
    with command("--version") as process:
        out, err = process.communicate()

    assert (process.returncode, err) == (0, "")
    assert out.startswith("ttrpc ")


@pytest.mark.parametrize("argv", [["releases"], ["--help"], ["describe"]])
def test_a_reader_that_stops_reading_is_no_error(argv: list[str]) -> None:
    with command(*argv) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        err = process.stderr.read()

    assert process.wait() in {0, 141}
    assert err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_written_is_a_failure() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", "releases"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert done.returncode == 1
    assert done.stderr == "ttrpc: cannot write to stdout: No space left on device\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_server_prints_its_address_and_ends_cleanly_on_a_signal(number: int) -> None:
    with server() as (process, address):
        reply = ttrpc("call", address, "Connect", "--max-time", "10")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)

    assert reply.code == 0
    assert f'"shimPid": {process.pid}' in reply.out
    assert process.returncode == 0
    assert out == ""
    assert "Traceback" not in err
    assert not Path(address.removeprefix("unix://")).parent.exists()


def test_the_server_ends_when_it_is_told_to_shut_down() -> None:
    with server() as (process, address):
        reply = ttrpc("call", address, "Shutdown", "-d", '{"now": true}', "--max-time", "10")

        assert process.wait(10) == 0

    assert reply.code == 0


def test_the_server_serves_both_versions_at_the_address_that_it_is_given(tmp_path: Path) -> None:
    with server(str(tmp_path / "x.sock"), "-s", "containerd@2.3") as (_, address):
        codes = [
            ttrpc("call", address, f"{name}/State", "--max-time", "10").code for name in SERVED
        ]

    assert address == f"unix://{tmp_path}/x.sock"
    assert codes == [69, 69]


def test_a_second_server_does_not_take_the_first_one_s_socket(tmp_path: Path) -> None:
    with server(str(tmp_path / "x.sock")) as (_, address):
        second = ttrpc("serve", address)
        still = ttrpc("call", address, "Connect", "--max-time", "10")

    assert second.code == 1
    assert second.err.startswith(f"ttrpc: cannot listen on {address}: ")
    assert still.code == 0


def test_ctrl_c_ends_a_waiting_call_quietly(tmp_path: Path) -> None:
    with server(str(tmp_path / "x.sock")) as (_, address):
        bundle = tmp_path / "web"
        bundle.mkdir()
        (bundle / "config.json").write_text(
            '{"ociVersion": "1.0.2", "process": {"args": ["sleep", "60"], "cwd": "/"}}'
        )
        request = f'{{"id": "web", "bundle": "{bundle}"}}'
        assert ttrpc("call", address, "Create", "-d", request).code == 0
        with command("call", address, "Wait", "-d", '{"id": "web"}', "-v") as process:
            _until(process, "Request metadata to send:")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)

    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def _until(process: subprocess.Popen[str], words: str) -> None:
    """Read what the process says until it says this."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}")


@pytest.mark.parametrize("redirect", [">&-", ">&- 2>&-"])
def test_a_closed_stdout_is_a_failure_and_no_crash(redirect: str) -> None:
    line = f'"{sys.executable}" -m toolkit releases {redirect}'

    done = subprocess.run(["sh", "-c", line], cwd=ROOT, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 1
    assert done.stderr in {"", "ttrpc: cannot write to stdout: it is closed\n"}


def test_a_closed_stdin_is_no_data() -> None:
    line = f'"{sys.executable}" -m toolkit call @none Connect -d @ <&-'

    done = subprocess.run(["sh", "-c", line], cwd=ROOT, stderr=subprocess.PIPE, text=True)

    assert done.returncode == 1
    assert done.stderr == "ttrpc: cannot read stdin: it is closed\n"
