"""The typed example is what type checkers like, and runs as its text says."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FILES = ("client.py", "server.py")
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
TIMEOUT = 15  # seconds

checked = pytest.mark.skipif(
    os.environ.get("INTEROP") != "required", reason="type checkers run with INTEROP=required"
)


def codegen_command(path: Path) -> str:
    """What an example says about making its stubs."""
    [line] = [line for line in path.read_text().splitlines() if line.startswith("ttrpc codegen")]
    return line


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env=ENV, cwd=cwd, timeout=60
    )


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the example, and the stubs that its text says how to make."""
    root = tmp_path_factory.mktemp("project")
    folder = root / "examples" / "typed"
    folder.mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / "examples" / "typed" / name, folder)
    _, *words = shlex.split(codegen_command(folder / "client.py"))
    done = run("-m", "toolkit", *words, cwd=root)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix://{tmp_path}/task.sock"


@contextlib.contextmanager
def serving(
    project: Path, address: str, *, ended_by: int = signal.SIGTERM
) -> Iterator[subprocess.Popen[str]]:
    """The server, once it listens; a signal ends it."""
    process = subprocess.Popen(
        [sys.executable, str(project / "server.py"), address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENV,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        with process.stdout, process.stderr:
            assert process.stdout.readline() == f"listening at {address}\n"
            yield process
            process.send_signal(ended_by)
            assert process.stderr.read() == ""
            assert process.wait(TIMEOUT) == 0
    finally:
        process.kill()
        process.wait()


def test_both_files_say_the_same_about_making_the_stubs() -> None:
    folder = ROOT / "examples" / "typed"

    assert len({codegen_command(folder / name) for name in FILES}) == 1


@checked
@pytest.mark.timeout(120)
def test_mypy_finds_no_fault(project: Path, tmp_path: Path) -> None:
    done = run("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), *FILES, cwd=project)

    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@checked
@pytest.mark.timeout(120)
def test_pyright_finds_no_fault(project: Path) -> None:
    venv = Path(sys.prefix)
    settings = {"typeCheckingMode": "strict", "venvPath": str(venv.parent), "venv": venv.name}
    (project / "pyrightconfig.json").write_text(json.dumps({**settings, "include": FILES}))

    done = run("-m", "pyright", "--outputjson", "--project", str(project), cwd=project)

    report = json.loads(done.stdout)
    assert report["generalDiagnostics"] == []
    assert report["summary"]["filesAnalyzed"] == len(FILES)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_client_prints_the_state_that_the_server_has(
    number: int, project: Path, address: str, tmp_path: Path
) -> None:
    with serving(project, address, ended_by=number) as server:
        done = run(str(project / "client.py"), address, "web", cwd=tmp_path)
        assert server.stdout is not None
        seen = server.stdout.readline()

    assert (done.returncode, done.stdout, done.stderr) == (0, "web 4242 RUNNING\n", "")
    assert seen.startswith("State web from pid ")


def test_client_tells_what_the_server_refuses(project: Path, address: str, tmp_path: Path) -> None:
    with serving(project, address):
        done = run(str(project / "client.py"), address, "other", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "State: NOT_FOUND: task 'other'\n"


def test_server_answers_connect_and_refuses_the_rest(
    project: Path, address: str, tmp_path: Path
) -> None:
    schema = ["-s", "containerd@2.4"]
    with serving(project, address) as server:
        call = ("-m", "toolkit", "call", address)
        connected = run(*call, "Connect", *schema, "-d", '{"id": "web"}', cwd=tmp_path)
        paused = run(*call, "Pause", *schema, "-d", '{"id": "web"}', cwd=tmp_path)

    assert json.loads(connected.stdout) == {"shimPid": server.pid, "taskPid": 4242}
    assert "method Pause" in paused.stderr


@pytest.mark.parametrize("name", FILES)
def test_without_an_address_it_says_how_it_is_called(name: str, project: Path) -> None:
    done = run(str(project / name), cwd=project)

    assert done.returncode == 1
    assert f"python examples/typed/{name} unix:///" in done.stderr
