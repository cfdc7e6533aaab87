"""Reflection of gRPC servers: theirs seen by us, and ours on a server of theirs, seen by both."""

from __future__ import annotations

import contextlib
import functools
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # type: ignore[import-untyped]
    ProtoReflectionDescriptorDatabase,
)

import toolkit
from tests.interop import foreign, ours
from tests.interop.foreign import GO, RUST
from tests.interop.grpc_servers import _serving, go_server, grpcio_server
from tests.interop.grpcio_ours import SERVICES
from tests.interop.grpcio_peer import RELEASE
from tests.interop.service import INTEROP, implementation
from toolkit.errors import ConnectFailed, NoSchema
from toolkit.reflection import load_grpc, overgrpc
from toolkit.reflection.overgrpc import ask_grpc
from toolkit.reflection.protocol import TWIN, V1, V1ALPHA
from toolkit.schema.compare import differences, structure
from toolkit.schema.likeness import likeness
from toolkit.schema.load import schema_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from toolkit.schema.pool import Schema

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ROOT = Path(__file__).resolve().parents[2]
HEALTH = "grpc.health.v1.Health"
VERSIONS = {"both": [V1, V1ALPHA], "v1": [V1], "v1alpha": [V1ALPHA]}
SHORT = 0.5  # seconds that we give a server which will not answer
BOUND = 3.0  # seconds after which it counts as hanging; mostly for starting threads

every_scheme = pytest.mark.parametrize("scheme", ["unix", "tcp"])
every_version = pytest.mark.parametrize("reflection", VERSIONS)


def ours_server(scheme: str = "unix") -> AbstractContextManager[str]:
    """What to dial for a server of grpcio that has our reflection."""
    return _serving([sys.executable, "-m", "tests.interop.grpcio_ours"], scheme)


@pytest.fixture(scope="module")
def dial() -> Iterator[Callable[..., str]]:
    """Gives what to dial for a kind of server, the same one each time."""
    kinds: dict[str, Callable[..., AbstractContextManager[str]]] = {
        "go": go_server,
        "grpcio": grpcio_server,
        "ours": ours_server,
    }
    with contextlib.ExitStack() as stack:

        @functools.cache
        def target(kind: str, *args: str) -> str:
            return stack.enter_context(kinds[kind](*args))

        yield target


def names(schema: Schema) -> list[str]:
    return sorted(service.name for service in schema.services())


def ttrpc(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toolkit", *args]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)


def is_interop(schema: Schema) -> bool:
    """Whether the tests' service is in it just as it is declared."""
    file = schema.service(INTEROP.name).descriptor.file
    return differences(structure([INTEROP.descriptor.file]), structure([file])) == []


def is_release(schema: Schema) -> bool:
    """Whether all services of the release are in it, and all that they need, as vendored."""
    release = toolkit.load(RELEASE)
    result = likeness(schema, release)
    return set(names(release)) <= set(names(schema)) and result.differences == []


@every_scheme
@every_version
def test_go_tells_of_its_services(dial: Any, reflection: str, scheme: str) -> None:
    schema = load_grpc(dial("go", reflection, scheme), timeout=10)

    assert names(schema) == sorted([HEALTH, INTEROP.name, *VERSIONS[reflection]])
    assert is_interop(schema)


def test_a_go_server_without_reflection_gives_no_schema(dial: Any) -> None:
    with pytest.raises(NoSchema, match="neither v1 nor v1alpha"):
        load_grpc(dial("go", "none"), timeout=10)


@every_scheme
def test_grpcio_tells_of_a_whole_release(dial: Any, scheme: str) -> None:
    source = ask_grpc(dial("grpcio", scheme), timeout=10)
    schema = schema_from(source)

    assert names(schema) == names(toolkit.load(RELEASE))
    assert is_release(schema)
    # It has reflection itself, but its pool has no file for it.
    assert sorted(source.collected.services) == sorted([*names(schema), V1ALPHA])
    [note] = source.collected.notes
    assert note.startswith(f"{V1ALPHA}: error 5: ")


def test_the_same_told_over_either_kind_of_socket_is_one_schema(dial: Any) -> None:
    one, other = (load_grpc(dial("grpcio", scheme), timeout=10) for scheme in ("unix", "tcp"))

    assert one is other


@every_scheme
def test_the_source_grpc_of_the_command_line(dial: Any, scheme: str) -> None:
    target = dial("go", "both", scheme)

    listed = ttrpc("list", "-s", f"grpc:{target}")
    methods = ttrpc("list", "-s", f"grpc:{target}", INTEROP.name)
    described = ttrpc("describe", "-s", f"grpc:{target}", "toolkit.interop.v1.Division")

    assert (listed.returncode, methods.returncode, described.returncode) == (0, 0, 0)
    assert listed.stdout.splitlines() == sorted([HEALTH, INTEROP.name, V1, V1ALPHA])
    assert methods.stdout.splitlines() == sorted(method.full_name for method in INTEROP)
    assert described.stdout.splitlines() == [
        "toolkit.interop.v1.Division is a message:",
        "message Division {",
        "  int64 dividend = 1;",
        "  int64 divisor = 2;",
        "}",
    ]


def test_the_command_line_tells_under_v_of_a_service_without_a_file(dial: Any) -> None:
    done = ttrpc("list", "-v", "-s", f"grpc:{dial('grpcio', 'unix')}")

    assert done.returncode == 0, done.stderr
    assert V1ALPHA not in done.stdout
    assert f"  {V1ALPHA}: error 5: " in done.stderr


def test_the_command_line_compares_grpcios_release(dial: Any) -> None:
    target = dial("grpcio", "unix")

    done = ttrpc("describe", "-s", f"grpc:{target}", "--compare", RELEASE)

    assert done.returncode == 0, done.stderr
    assert "containerd.task.v3.Task: 17 methods, 0 differences" in done.stdout.splitlines()
    assert done.stdout.splitlines()[-1].endswith(", 0 differences")


def test_the_schema_of_a_grpc_server_serves_for_a_ttrpc_call(
    dial: Any, our_servers: Callable[[str], str]
) -> None:
    source = f"grpc:{dial('go', 'both')}"

    done = ttrpc("call", our_servers("sync"), "Echo", "-s", source, "-d", '{"number": 7}')

    assert (done.returncode, done.stdout) == (0, '{\n  "number": "7"\n}\n'), done.stderr


@pytest.mark.parametrize("reflection", ["v1", "v1alpha"])
def test_a_grpcio_server_with_ours_tells_us_everything_over_each_version(
    dial: Any, reflection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The twin takes the other version's place: gRPC servers have none, so that it tells nothing.
    monkeypatch.setattr(overgrpc, "V1ALPHA" if reflection == "v1" else "V1", TWIN)

    schema = load_grpc(dial("ours"), timeout=10)

    assert names(schema) == sorted([*(one.name for one in SERVICES), V1, V1ALPHA])
    assert is_interop(schema)
    assert is_release(schema)


def test_ours_tells_comments(dial: Any) -> None:
    done = ttrpc("describe", "-s", f"grpc:{dial('ours', 'tcp')}", INTEROP.name)

    assert done.returncode == 0, done.stderr
    assert "  // Answers the item it got.\n  rpc Echo " in done.stdout


def test_go_tells_no_comments(dial: Any) -> None:
    done = ttrpc("describe", "-s", f"grpc:{dial('go', 'both')}", INTEROP.name)

    assert done.returncode == 0, done.stderr
    assert "//" not in done.stdout  # so those of ours do not come from a file of this machine


@every_scheme
def test_grpcios_own_client_reads_ours(dial: Any, scheme: str) -> None:
    target = dial("ours", scheme)

    with grpc.insecure_channel(target) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)  # it knows v1alpha only
        told = sorted(database.get_services())
        pool = DescriptorPool(database)
        files = [pool.FindServiceByName(service.name).file for service in SERVICES]
        comments = _comments(database.FindFileContainingSymbol(INTEROP.name))

    assert told == sorted([*(one.name for one in SERVICES), V1, V1ALPHA])
    wanted = structure(service.descriptor.file for service in SERVICES)
    assert differences(wanted, structure(files)) == []
    assert "Answers the item it got." in comments


def _comments(file: Any) -> list[str]:
    return [place.leading_comments.strip() for place in file.source_code_info.location]


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """Fails where the block took longer than a short timeout explains."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SHORT + BOUND


@contextlib.contextmanager
def _deaf() -> Iterator[str]:
    """A listener that takes connections and says nothing."""
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder, socket.socket(socket.AF_UNIX) as s:
        s.bind(f"{folder}/deaf.sock")
        s.listen()
        yield f"unix://{folder}/deaf.sock"


@contextlib.contextmanager
def _closed_port() -> Iterator[str]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and never listens
        yield f"127.0.0.1:{sock.getsockname()[1]}"


@contextlib.contextmanager
def _nowhere() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        yield f"unix://{folder}/nobody.sock"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        (_nowhere, "there is no such file"),
        (_closed_port, "nobody listens there"),
        (_deaf, "no gRPC server answers"),
    ],
)
def test_nobody_there_is_a_failed_connection_in_time(
    place: Callable[[], AbstractContextManager[str]], why: str
) -> None:
    with place() as address, soon(), pytest.raises(ConnectFailed, match=why):
        load_grpc(address, timeout=SHORT)


def test_the_command_line_waits_for_an_answer_as_long_as_it_is_told() -> None:
    with _deaf() as address:
        done = ttrpc("list", "-s", f"grpc:{address}", "--connect-timeout", "0.2")

    assert done.returncode == 1
    assert "no gRPC server answers within 0.2 s" in done.stderr


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_our_ttrpc_server_is_no_grpc_server_and_lives_on(kind: str) -> None:
    with ours.serving(kind, INTEROP, implementation(kind)) as address:
        with soon(), pytest.raises(ConnectFailed, match="no gRPC server answers"):
            load_grpc(address, timeout=SHORT)

        assert _echoes(address)


@pytest.mark.parametrize("peer", [GO, RUST], ids=lambda peer: peer.name)
def test_a_foreign_ttrpc_server_is_no_grpc_server_and_lives_on(peer: foreign.Peer) -> None:
    with foreign.serving(peer) as server:
        with soon(), pytest.raises(ConnectFailed, match="no gRPC server answers"):
            load_grpc(server.address, timeout=SHORT)

        assert server.alive
        assert _echoes(server.address)


def _echoes(address: str) -> bool:
    with toolkit.sync.connect(address, timeout=5) as channel:
        return bool(channel.call(INTEROP["Echo"], {"number": 7}, timeout=10).number == 7)


def test_a_grpc_server_is_no_ttrpc_server(dial: Any) -> None:
    done = ttrpc("list", dial("go", "both"), "-s", "reflect")

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert done.stderr != ""
