"""What the README shows is what happens."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import ttrpc
from toolkit import sync
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


def test_the_python_examples_run(web: str, capsys: pytest.CaptureFixture[str]) -> None:
    client, server = (block.replace("unix:///tmp/task.sock", web) for block in blocks("python"))
    names: dict[str, Any] = {}

    exec(client, names)
    assert '"status": "RUNNING"' in capsys.readouterr().out

    with tempfile.TemporaryDirectory() as folder:
        address = f"unix://{folder}/my.sock"
        names["answers"] = lambda server: _calls(server, address, names["task"])
        server = server.replace("unix:///tmp/my.sock", address)
        exec(server.replace("server.serve_forever()", "answers(server)"), names)


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
