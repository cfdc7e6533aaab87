"""Every example runs as its text says."""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
TIMEOUT = 15  # seconds


def command(name: str, *args: str) -> list[str]:
    return [sys.executable, str(EXAMPLES / name), *args]


def run(name: str, *args: str, cwd: Path) -> list[str]:
    """The lines that an example prints."""
    done = subprocess.run(
        command(name, *args), capture_output=True, text=True, env=ENV, cwd=cwd, timeout=TIMEOUT
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@contextlib.contextmanager
def serving(
    name: str, address: str, *, ended_by: int = signal.SIGINT
) -> Iterator[subprocess.Popen[str]]:
    """An example that serves, once it has said so; a signal ends it, unless it has ended."""
    process = subprocess.Popen(
        command(name, address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        with process.stdout, process.stderr:
            assert process.stdout.readline() == f"listening at {address}\n"
            yield process
            process.send_signal(ended_by)
            assert process.stderr.read() == ""
            assert process.wait(TIMEOUT) in (0, 130)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/task.sock"


@pytest.mark.parametrize("client", ["client.py", "client_async.py"])
@pytest.mark.parametrize("server_name", ["server.py", "server_async.py"])
def test_client_and_server_exchange_metadata_a_reply_and_an_error(
    client: str, server_name: str, address: str, tmp_path: Path
) -> None:
    with serving(server_name, address) as server:
        printed = run(client, address, cwd=tmp_path)
        assert server.stdout is not None
        seen = [server.stdout.readline() for _ in range(3)]

    assert printed == ["Create: pid 0x10c0", "Start: UNIMPLEMENTED: method Start"]
    assert seen == [
        "Create id1\n",
        "  key-1 ['value-1-1', 'value-1-2']\n",
        "  key-2 ['value-2']\n",
    ]


@pytest.mark.parametrize("name", ["connect.py", "connect_async.py"])
def test_connect_shuts_the_process_shim_down(name: str, address: str, tmp_path: Path) -> None:
    with serving("process_shim.py", address) as shim:
        printed = run(name, address, "web", cwd=tmp_path)
        shim.wait(TIMEOUT)

    shown = f"containerd.task.v3.Task: shim pid {shim.pid}, task pid 0"
    assert printed == [shown, "shut down"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_shim_keeps_its_containers_until_it_ends(
    number: int, address: str, tmp_path: Path
) -> None:
    bundle = {"process": {"args": ["sleep", "1000"], "cwd": "/"}}
    (tmp_path / "config.json").write_text(json.dumps(bundle))
    ttrpc = [sys.executable, "-m", "toolkit", "call", address]

    with serving("process_shim.py", address, ended_by=number):
        data = json.dumps({"id": "web", "bundle": str(tmp_path)})
        created = subprocess.check_output([*ttrpc, "Create", "-d", data], env=ENV, cwd=ROOT)
        pid = json.loads(created)["pid"]
        run("connect.py", address, "web", cwd=tmp_path)  # its Shutdown is ignored
        assert Path(f"/proc/{pid}").exists()

    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("client.py", "client_async.py", "connect.py", "connect_async.py"),
        *("process_shim.py", "server.py", "server_async.py"),
    ],
)
def test_without_an_address_an_example_says_how_it_is_called(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(EXAMPLES / name)
    path = str(EXAMPLES / name)
    monkeypatch.setattr(sys, "argv", [path])

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(path, run_name="__main__")

    # Python writes a text to stderr and ends with 1.
    assert isinstance(ended.value.code, str)
    assert f"python examples/{name} unix:///" in ended.value.code


def test_the_demo_fits_a_terminal_and_shows_every_step(tmp_path: Path) -> None:
    lines = run("demo.py", cwd=tmp_path)

    assert max(len(line) for line in lines) <= 80
    text = "\n".join(lines)
    for step in ("list", "describe", "serve", *("call ./task.sock " + name for name in CALLS)):
        assert f"$ ttrpc {step}" in text
    assert '"status": "RUNNING"' in text
    assert '"exitStatus": 143' in text


CALLS = ["Create", "Start", "State", "Kill", "Wait", "Delete"]


def test_every_example_is_run_by_a_test() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py"))

    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in text] == []
