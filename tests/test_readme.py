"""What the README shows is what happens."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import serving, ttrpc
from toolkit import RpcError, shim, sync
from toolkit.cli.arguments import VERBS
from toolkit.shim.process import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def transcript() -> list[tuple[str, str]]:
    """The commands that look or ask, each with the output that is shown."""
    shown = "".join(blocks("console"))
    found = re.findall(r"^\$ (.+)\n((?:(?!\$ |# ).*\n)*)", shown, re.MULTILINE)
    asks = re.compile(r"ttrpc (list|describe|call \S+ State)\b")
    return [
        (command, output.rstrip("\n") + "\n") for command, output in found if asks.match(command)
    ]


@pytest.fixture(scope="module")
def task_socket() -> Iterator[str]:
    """The address of the demo server, with the container that the README makes."""
    server = make_server(toolkit.load("containerd"))
    with tempfile.TemporaryDirectory() as folder:
        with server.listen(f"unix://{folder}/task.sock") as listener:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield listener.address
        thread.join()


@pytest.fixture(scope="module")
def web(task_socket: str) -> Iterator[str]:
    config = {"ociVersion": "1.1.0", "process": {"args": ["sleep", "60"], "cwd": "/"}}
    with tempfile.TemporaryDirectory() as bundle:
        Path(bundle, "config.json").write_text(json.dumps(config))
        for method, fields in [("Create", {"bundle": bundle}), ("Start", {})]:
            request = json.dumps({"id": "web", **fields})
            assert ttrpc("call", task_socket, method, "-d", request).code == 0
        yield task_socket


def test_every_verb_is_in_the_table() -> None:
    table = re.findall(r"^\| `ttrpc (\w+)", README, re.MULTILINE)

    assert table == list(VERBS)


@pytest.mark.parametrize(("command", "shown"), transcript())
def test_a_command_prints_what_is_shown(command: str, shown: str, web: str) -> None:
    words = shlex.split(command.partition(" | head")[0])[1:]

    outcome = ttrpc(*(web if word == "/tmp/task.sock" else word for word in words))

    printed = outcome.out + outcome.err
    if "| head" in command:
        printed = "".join(printed.splitlines(keepends=True)[: shown.count("\n")])
    assert _without_what_varies(printed) == _without_what_varies(shown)


def _without_what_varies(text: str) -> str:
    return re.sub(r'("pid": )\d+|("bundle": )"[^"]*"', r"\1\2…", text)


@pytest.fixture
def examples(web: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The names that the examples in Python define, but for the server that serves forever."""
    names: dict[str, Any] = {}
    client, server, streams, asyncio_both, reflecting, typed, *_ = blocks("python")
    for code in (client.replace("unix:///tmp/task.sock", web), streams, asyncio_both):
        exec(code, names)
    names["server"] = sync.Server()
    exec(reflecting, names)
    return {**names, "server": server, "typed": typed, "printed": capsys.readouterr().out}


def test_the_client_prints_the_state(examples: dict[str, Any]) -> None:
    assert examples["reply"].id == "web"
    assert '"status": "RUNNING"' in examples["printed"]


def test_the_server_answers(examples: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix://{folder}/my.sock"
        examples["answers"] = lambda server: _calls(server, address, examples["task"])
        code = examples["server"].replace("unix:///tmp/my.sock", address)
        exec(code.replace("server.serve_forever()", "answers(server)"), examples)


def test_what_a_server_has_is_found(examples: dict[str, Any], web: str) -> None:
    how, services = examples["services_at"](web)

    assert how == "probing for known services"
    assert "containerd.task.v3.Task" in services


def test_the_typed_client_reaches_the_typed_server(
    examples: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = re.findall(r"^# (ttrpc codegen .+)$", README, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert ttrpc(*shlex.split(command)[1:]).code == 0

    exec(examples["typed"], examples)

    server = sync.Server()
    server.add(examples["TypedTask"]())
    with server.listen(f"unix://{tmp_path}/typed.sock") as listener:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with sync.connect(listener.address) as channel:
            assert examples["is_running"](channel, "web")
    thread.join()


def test_the_streams_flow(examples: dict[str, Any]) -> None:
    service = (examples["events"], examples["MyEvents"]())
    with serving(service) as address, sync.connect(address) as channel:
        assert examples["follow"](channel) == ["/tasks/start"]


def test_the_asyncio_client_reaches_the_asyncio_server(examples: dict[str, Any]) -> None:
    async def both(address: str) -> list[int]:
        served = asyncio.ensure_future(examples["serve"](address))
        await asyncio.sleep(0)  # it listens in its first step
        try:
            found: list[int] = await examples["pids"](address, "web", "db")
        finally:
            served.cancel()
            await asyncio.gather(served, return_exceptions=True)
        return found

    with tempfile.TemporaryDirectory() as folder:
        assert asyncio.run(both(f"unix://{folder}/my.sock")) == [42, 42]


def _calls(server: sync.Server, address: str, task: Any) -> None:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with sync.connect(address) as channel:
            client = channel.client(task)
            assert client.State(id="web").pid == 42
            with pytest.raises(toolkit.RpcError, match="no container 'db'"):
                client.State(id="db")
    finally:
        server.close()
        thread.join()


def test_the_shim_that_is_shown_starts_and_ends(tmp_path: Path) -> None:
    code = blocks("python")[-1]
    program = tmp_path / "containerd-shim-mine-v1"
    program.write_text(code.replace("/usr/bin/env python3", sys.executable))
    program.chmod(0o755)
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text("{}")

    with (
        tempfile.TemporaryDirectory() as sockets,
        shim.start(bundle, id="web", binary=str(program), socket_dir=sockets) as running,
    ):
        assert running.version == 3
        assert running.address.startswith(f"unix://{sockets}/")
        running.task.Create(id="web", bundle=str(bundle))
        with pytest.raises(RpcError, match="UNIMPLEMENTED"):
            running.task.State(id="web")

    assert not running.alive
