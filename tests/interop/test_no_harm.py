"""Looking at a live shim harms nobody: shim and container run on, whatever was asked."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import toolkit
from tests.interop.needs import unavailable
from tests.interop.peers import program
from toolkit import sync
from toolkit.reflection import finding
from toolkit.reflection.probe import Probe
from toolkit.schema.elsewhere import service_names
from toolkit.schema.releases import releases
from toolkit.wire.frame import DATA, REQUEST, FrameReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Container, Containerd

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

ROOT = Path(__file__).resolve().parents[2]
LINES = ["1.6", "1.7", "2.0", "2.1", "2.2", "2.3", "2.4"]
NAME = "containerd-shim-runc-v2"
RUNNING = 2
LIMIT = 10.0
UNIMPLEMENTED = 76  # the command line's exit code

# Streams that no shim has: of a service that it has, and of one that it has not.
STREAMS = """\
syntax = "proto3";
package containerd.task.{version};
service {service} {{
  rpc ToolkitChat(Word) returns (stream Word);
  rpc ToolkitCollect(stream Word) returns (Word);
  rpc ToolkitTalk(stream Word) returns (stream Word);
}}
message Word {{ string text = 1; }}
"""


class Process(NamedTuple):
    """A process that a later one with the same number is not."""

    pid: int
    started: int  # clock ticks since the machine booted


class Shim(NamedTuple):
    """A shim with a container in it."""

    line: str
    container: Container

    @property
    def address(self) -> str:
        return self.container.address

    @property
    def version(self) -> str:
        """Of the Task service that it has."""
        return "v2" if self.line.startswith("1.") else "v3"

    @property
    def task(self) -> str:
        return f"containerd.task.{self.version}.Task"

    @property
    def other_task(self) -> str:
        """The Task service that it has not."""
        return f"containerd.task.{'v3' if self.version == 'v2' else 'v2'}.Task"

    @property
    def services(self) -> list[str]:
        """All of its services."""
        # The sandbox service of 1.7's is its plugin "pause"; 2.0 has it no more.
        sandbox = ["containerd.runtime.sandbox.v1.Sandbox"] if self.line == "1.7" else []
        return [*sandbox, self.task]

    @property
    def data(self) -> str:
        return json.dumps({"id": self.container.id})


def process(pid: int) -> Process:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Process(pid, int(fields[19]))  # the 22nd of all, proc(5)


def look(shim: Shim) -> tuple[Process, Process, int]:
    """The processes of shim and container, and how the container is, as the shim itself says."""
    service = toolkit.load(f"containerd@{shim.line}").service(shim.task)
    with sync.connect(shim.address, timeout=5) as channel:
        task = channel.client(service)
        connected = task.Connect(id=shim.container.id, timeout=LIMIT)
        state = task.State(id=shim.container.id, timeout=LIMIT)
    return process(connected.shim_pid), process(connected.task_pid), state.status


@pytest.fixture(scope="module", params=LINES)
def shim(
    request: pytest.FixtureRequest,
    start_containerd: Callable[[Path], AbstractContextManager[Containerd]],
) -> Iterator[Shim]:
    """A shim of each line; one container for all of its tests."""
    line: str = request.param
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as name:
        folder = Path(name)
        for path in programs(line):
            (folder / path.name).symlink_to(path)
        with start_containerd(folder) as containerd:
            yield Shim(line, containerd.run("web", "sleep", "1000"))


def programs(line: str) -> list[Path]:
    """What comes before the programs of the system."""
    if line == "1.6":
        found = shutil.which(NAME)
        if found is None or b"1.6.20~ds1" not in Path(found).read_bytes():
            unavailable(f"{NAME} of Debian 12 is not there")
        return []
    paths = [program(f"runc-shim/{line}/{NAME}")]
    if line.startswith("2."):
        paths += [program(f"containerd/2.4/{name}") for name in ("containerd", "ctr")]
    for path in paths:
        if not path.is_file():
            unavailable(f"{path} is not built: `make peers` does, with Go")
    return paths


@pytest.fixture(autouse=True)
def unharmed(shim: Shim) -> Iterator[None]:
    """Sees to it that a test leaves shim and container as they were."""
    before = look(shim)
    assert before[1].pid == shim.container.pid
    assert before[2] == RUNNING
    yield
    assert look(shim) == before


def ttrpc(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolkit", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)


class Relay:
    """Stands before a shim and keeps what clients send; behind it there is no binary to see.

    Attributes:
        address: where it listens.
    """

    def __init__(self, folder: str, target: str) -> None:
        self.address = f"unix://{folder}/relay.sock"
        self._target = target.removeprefix("unix://")
        self._connections: list[list[bytes]] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{folder}/relay.sock")
        self._listener.listen()

    def __enter__(self) -> Relay:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept
        for thread in self._threads:  # grows while connections come
            thread.join()
        self._listener.close()

    def sent(self) -> list[tuple[int, int]]:
        """The type and the flags of each frame that a client has sent, by connection."""
        frames = []
        for chunks in self._connections:
            reader = FrameReader()
            for chunk in chunks:
                frames += [(frame[1], frame[2]) for frame in reader.receive(chunk)]
        return frames

    def _start(self, function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._start(partial(self._serve, self._listener.accept()[0]))

    def _serve(self, client: socket.socket) -> None:
        chunks: list[bytes] = []
        self._connections.append(chunks)
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._target)
            answers = threading.Thread(target=_pump, args=(server, client, None))
            answers.start()
            _pump(client, server, chunks)
            answers.join()


def _pump(source: socket.socket, target: socket.socket, kept: list[bytes] | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if kept is not None:
                kept.append(data)
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def before(shim: Shim) -> Iterator[Relay]:
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder, Relay(folder, shim.address) as one:
        yield one


def test_list_prints_the_services_in_its_binary(shim: Shim) -> None:
    done = ttrpc("list", shim.address)

    assert done.returncode == 0, done.stderr
    assert shim.task in done.stdout.splitlines()
    assert shim.other_task not in done.stdout
    assert f"{NAME}) holds; the peer may serve less of it." in done.stderr


def test_list_verbosely_says_where_each_file_is(shim: Shim) -> None:
    done = ttrpc("list", shim.address, "-v")

    assert done.returncode == 0, done.stderr
    assert f"\nSchema: the binary of pid {look(shim)[0].pid} (" in done.stderr
    ways = ("v2/task/shim.proto", f"task/{shim.version}/shim.proto")  # until 1.6, and since
    [line] = [line for line in done.stderr.splitlines() if line.endswith(ways)]
    assert re.fullmatch(
        f"  0x[0-9a-f]{{8}}  {'gzip' if shim.line == '1.6' else 'raw '}  +[0-9]+ bytes  .*", line
    )


def test_describe_prints_its_task_service(shim: Shim) -> None:
    done = ttrpc("describe", shim.address)

    assert done.returncode == 0, done.stderr
    assert f"{shim.task} is a service:\n" in done.stdout
    assert f"rpc State ( .containerd.task.{shim.version}.StateRequest ) " in done.stdout


def test_compared_with_its_line_its_task_service_is_the_same(shim: Shim) -> None:
    done = ttrpc("describe", shim.address, "--compare", f"containerd@{shim.line}")

    assert done.returncode == 0, done.stderr
    assert f"against containerd@{shim.line} (" in done.stdout
    assert f"{shim.task}: 17 methods, 0 differences" in done.stdout.splitlines()


def test_call_answers_out_of_its_own_schema(shim: Shim) -> None:
    done = ttrpc("call", shim.address, "State", "-d", shim.data, "-v")

    assert done.returncode == 0, done.stderr
    state = json.loads(done.stdout)
    assert (state["id"], state["pid"]) == (shim.container.id, shim.container.pid)
    assert f"\nSchema: the binary of pid {look(shim)[0].pid} (" in done.stderr


@pytest.mark.parametrize("source", [[], ["-s", "containerd@2.3"]], ids=["own", "given"])
def test_the_other_task_service_is_refused_and_the_right_one_named(
    shim: Shim, source: list[str]
) -> None:
    method = f"{shim.other_task}/State"

    done = ttrpc("call", shim.address, method, "-d", shim.data, *source)

    assert done.returncode == UNIMPLEMENTED
    assert done.stdout == ""
    assert f"(this peer has {shim.task}: call {shim.task}/State)" in done.stderr


def test_probing_finds_what_it_serves(shim: Shim) -> None:
    found = finding.probed(shim.address)

    assert found.services == shim.services
    assert found.release
    [schema] = found.schemas
    assert schema.service(shim.task)


def test_probing_for_every_service_of_every_release_finds_no_more(shim: Shim) -> None:
    known = sorted({name for release in releases() for name in service_names(release)})
    questions: list[str] = []

    with Probe(partial(sync.connect, shim.address, timeout=5), told=questions.append) as probe:
        served = probe.served(known)

    assert served == shim.services
    assert len(questions) == len(known) + 2
    assert "containerd.services.content.v1.Content" in known  # of gRPC


def test_list_probes_where_no_binary_is_seen(shim: Shim) -> None:
    with before(shim) as relay:
        done = ttrpc("list", relay.address, "-v")
        asked = relay.sent()

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == shim.services
    assert "by probing for known services" in done.stderr
    assert done.stderr.count("/TtrpcToolkitProbe: ") == len(asked) - 1  # and one is reflection
    assert {kind for kind, _ in asked} == {REQUEST}


@pytest.mark.parametrize("word", ["reflect", "reflect-stream"])
def test_asking_for_a_reflection_that_it_lacks_fails(shim: Shim, word: str) -> None:
    with before(shim) as relay:
        done = ttrpc("list", relay.address, "-s", word)
        sent = relay.sent()

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"{relay.address} has no reflection" in done.stderr
    # v1 and v1alpha are tried; no question goes out to a stream that is not there.
    assert [kind for kind, _ in sent] == [REQUEST] * (2 if word == "reflect-stream" else 1)


@pytest.mark.parametrize("service", ["Task", "ToolkitAbsent"])
@pytest.mark.parametrize("method", ["ToolkitChat", "ToolkitCollect", "ToolkitTalk"])
def test_a_stream_that_it_lacks_is_refused_before_a_message_goes_out(
    shim: Shim, service: str, method: str, tmp_path: Path
) -> None:
    proto = tmp_path / "streams.proto"
    proto.write_text(STREAMS.format(version=shim.version, service=service))
    words = ['{"text": "one"}'] if method == "ToolkitChat" else ['{"text": "one"} {"text": "two"}']

    with before(shim) as relay:
        name = f"containerd.task.{shim.version}.{service}/{method}"
        done = ttrpc("call", relay.address, name, "-s", str(proto), "-d", *words)
        sent = relay.sent()

    assert done.returncode == UNIMPLEMENTED, done.stderr
    assert "Code: Unimplemented" in done.stderr
    assert (sent[0][0], [kind for kind, _ in sent if kind == DATA]) == (REQUEST, [])
