"""The schema of the server at ADDRESS, where none is named: what each verb makes of each server."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import toolkit
from tests.cli.command import Task, serving, ttrpc
from tests.support.echo import ECHO
from toolkit import reflection, sync
from toolkit.errors import RpcError
from toolkit.reflection.finding import Found
from toolkit.reflection.probe import Probe
from toolkit.reflection.protocol import TWIN, V1, V1ALPHA, services
from toolkit.schema.compare import differences
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

V2, V3 = "containerd.task.v2.Task", "containerd.task.v3.Task"
OWN = sorted([V1, V1ALPHA, TWIN])


class Echo:
    """Unary, and a stream."""

    def Unary(self, request: Any, context: Any) -> Any:
        return request

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


def newest(name: str) -> Any:
    return toolkit.load("containerd").service(name)


@pytest.fixture
def reflecting() -> Iterator[str]:
    """A server of a schema that is vendored nowhere, with reflection."""
    with serving((ECHO, Echo()), setup=reflection.enable) as address:
        yield address


@pytest.fixture
def shim() -> Iterator[str]:
    """A server of the newest Task service that tells nothing of itself."""
    with serving((newest(V3), Task())) as address:
        yield address


# With reflection


def test_list_asks_by_reflection(reflecting: str) -> None:
    outcome = ttrpc("list", reflecting)

    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.split() == sorted([*OWN, ECHO.name])


@pytest.mark.parametrize("word", ["reflect", "reflect-stream"])
def test_reflection_can_be_asked_for(reflecting: str, word: str) -> None:
    outcome = ttrpc("list", reflecting, "Echo", "-s", word)

    assert (outcome.code, outcome.err) == (0, "")
    assert f"{ECHO.name}.Unary" in outcome.out.split()


def test_describe_shows_what_came_over_with_its_comments(reflecting: str) -> None:
    outcome = ttrpc("describe", reflecting, ECHO.name)

    assert (outcome.code, outcome.err) == (0, "")
    assert "// Every kind of call, for tests.\nservice Echo {" in outcome.out


def test_a_unary_call_needs_no_schema(reflecting: str) -> None:
    outcome = ttrpc("call", reflecting, "Unary", "-d", '{"text": "a"}')

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == {"text": "a"}


def test_a_streaming_call_needs_none_where_the_peer_has_told_it(reflecting: str) -> None:
    outcome = ttrpc("call", reflecting, "Chat", "-d", '{"text": "a"} {"text": "b"}')

    assert outcome.code == 0, outcome.err
    assert [line for line in outcome.out.splitlines() if "text" in line] == [
        '  "text": "a"',
        '  "text": "b"',
    ]


def test_export_writes_what_the_peer_tells(reflecting: str, tmp_path: Path) -> None:
    target = tmp_path / "set.binpb"

    outcome = ttrpc("export", reflecting, "--descriptor-set", target)

    assert outcome.code == 0, outcome.err
    found = toolkit.load(target)
    assert [
        one.text for one in differences(ECHO.schema, found) if "reflection" not in one.symbol
    ] == []


def test_verbose_says_that_the_schema_is_from_reflection(reflecting: str) -> None:
    err = ttrpc("list", reflecting, "-v").err

    assert "Schema: its reflection\n" in err


# Without any of it


def test_a_probed_peer_s_services_are_listed_and_no_others(shim: str) -> None:
    outcome = ttrpc("list", shim)

    assert outcome.code == 0
    assert outcome.out.split() == [V3]
    assert outcome.err == (
        "Note: the schema is containerd@2.4's; the peer has none, and was probed.\n"
    )


def test_describe_shows_the_services_of_a_probed_peer(shim: str) -> None:
    outcome = ttrpc("describe", shim, "--json")

    assert [one["name"] for one in json.loads(outcome.out)] == [V3]


def test_a_service_that_a_probed_peer_lacks_is_named_with_what_it_has(shim: str) -> None:
    outcome = ttrpc("list", shim, V2)

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith(f"ttrpc: the peer has no service {V2}; it has {V3}\n")


def test_verbose_shows_every_question_of_a_probe(shim: str) -> None:
    err = ttrpc("list", shim, "-v").err

    assert "  toolkit.probe.v1.Absent/TtrpcToolkitProbe: UNIMPLEMENTED: service " in err
    assert f"  {V3}/TtrpcToolkitProbe: UNIMPLEMENTED: method TtrpcToolkitProbe\n" in err
    assert f"  {V2}/TtrpcToolkitProbe: UNIMPLEMENTED: service {V2}\n" in err


def frames(address: str, *argv: str) -> set[str]:
    """The methods that a command asks for, as -v tells."""
    err = ttrpc(*argv, address, "-v").err
    return set(re.findall(r"^  ([\w.]+/\w+): ", err, re.MULTILINE))


def test_with_no_probe_no_question_of_a_probe_is_asked(shim: str) -> None:
    assert frames(shim, "list") != set()
    assert frames(shim, "list", "--no-probe") == set()


def test_a_call_does_not_probe_and_takes_the_newest_release(shim: str) -> None:
    outcome = ttrpc("call", shim, "State", "-d", '{"id": "web"}', "-v")

    assert outcome.code == 0, outcome.err
    assert "TtrpcToolkitProbe" not in outcome.err
    assert "Schema: containerd@2.4 (v2.4.2), the newest vendored release that has" in outcome.err


def test_a_streaming_call_of_a_guess_is_refused(shim: str) -> None:
    outcome = ttrpc("call", shim, "containerd.services.events.v1.Events/Subscribe")

    assert outcome.code == 1
    assert "streams, and the peer does not tell that it has it; name its schema" in outcome.err


@pytest.mark.parametrize(("has", "asked"), [(V3, V2), (V2, V3)])
def test_the_other_version_of_the_task_service_is_named(has: str, asked: str) -> None:
    with serving((newest(has), Task())) as address:
        outcome = ttrpc("call", address, f"{asked}/State", "-d", '{"id": "web"}')

    assert outcome.code == 64 + Code.UNIMPLEMENTED
    assert f"(this peer has {has}: call {has}/State)\n" in outcome.err


def test_where_neither_version_is_there_none_is_named() -> None:
    with serving((ECHO, Echo())) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    assert outcome.code == 64 + Code.UNIMPLEMENTED
    assert "this peer has" not in outcome.err


def test_with_no_probe_the_other_version_is_not_asked_for(shim: str) -> None:
    outcome = ttrpc("call", shim, f"{V2}/State", "--no-probe")

    assert outcome.code == 64 + Code.UNIMPLEMENTED
    assert "this peer has" not in outcome.err


def test_a_stream_of_a_service_that_only_the_binary_holds_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program's descriptors do not tell that it offers a service at this socket."""
    found = Found([ECHO.schema], "the binary of pid 1")
    monkeypatch.setattr("toolkit.reflection.finding.behind", lambda channel: found)
    with serving((newest(V3), Task())) as address:
        outcome = ttrpc("call", address, f"{ECHO.name}/Chat", "-d", "{}")

    assert outcome.code == 1
    assert "does not tell that it has it" in outcome.err


def test_a_stream_of_a_service_that_is_there_too_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Found([ECHO.schema], "the binary of pid 1")
    monkeypatch.setattr("toolkit.reflection.finding.behind", lambda channel: found)
    with serving((ECHO, Echo())) as address:
        outcome = ttrpc("call", address, f"{ECHO.name}/Chat", "-d", '{"text": "a"}')

    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out) == {"text": "a"}


# Odd servers


def test_a_refusal_that_tells_nothing_is_no_evidence_of_a_service() -> None:
    both = serving((newest(V3), Task()), (newest(V2), Task()))
    with both as address, Probe(lambda: sync.connect(address), timeout=2) as probe:
        assert probe.has(V3)
        ask = probe._ask
        probe._ask = lambda *args: (  # type: ignore[method-assign]
            ask(*args)._replace(code=8, text="busy")
        )

        assert not probe.has(V2)


class Failing:
    """A twin that refuses."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def ServerReflectionInfo(self, request: Any, context: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("code", [Code.PERMISSION_DENIED, Code.UNKNOWN, Code.NOT_FOUND])
def test_reflection_that_fails_is_passed_over(code: Code) -> None:
    twin = next(one for one in services() if one.name == TWIN)
    with serving((twin, Failing(RpcError(code, "no"))), (newest(V3), Task())) as address:
        outcome = ttrpc("call", address, "State", "-d", '{"id": "web"}')

    assert outcome.code == 0, outcome.err
    assert '"pid": 42' in outcome.out


class Listing:
    """A twin that lists a service, and knows nothing of it."""

    def ServerReflectionInfo(self, request: Any, context: Any) -> Any:
        if request.list_services:
            return {"list_services_response": {"service": [{"name": V3}]}}
        return {"file_descriptor_response": {"file_descriptor_proto": [b"\xff\xff\xff"]}}


def test_reflection_that_makes_no_sense_is_passed_over_and_said_under_v() -> None:
    twin = next(one for one in services() if one.name == TWIN)
    with serving((twin, Listing()), (newest(V3), Task())) as address:
        outcome = ttrpc("list", address, "-v")

    assert outcome.code == 0, outcome.err
    assert V3 in outcome.out.split()
    assert f"  reflection: reflection of {address}: it names services, and does not" in outcome.err
    assert "not a file descriptor" in outcome.err


def test_reflection_that_was_asked_for_fails_when_it_makes_no_sense() -> None:
    twin = next(one for one in services() if one.name == TWIN)
    with serving((twin, Listing())) as address:
        outcome = ttrpc("list", address, "-s", "reflect")

    assert (outcome.code, outcome.out) == (1, "")
    assert "not a file descriptor" in outcome.err


# The words of -s


@pytest.mark.parametrize("word", ["peer", "reflect", "reflect-stream"])
@pytest.mark.parametrize("verb", ["list", "describe"])
def test_what_the_peer_is_to_tell_wants_an_address(verb: str, word: str) -> None:
    outcome = ttrpc(verb, "-s", word)

    assert outcome.code == 2
    assert f"-s {word} wants an ADDRESS, whose server is to tell" in outcome.err


def test_the_binary_of_a_script_holds_none_and_it_is_named(shim: str) -> None:
    outcome = ttrpc("list", shim, "-s", "peer")

    assert (outcome.code, outcome.out) == (1, "")
    assert f"of pid {os.getpid()}" in outcome.err
    assert "no descriptors in " in outcome.err


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("binary:", "binary: wants the path of an executable behind it"),
        ("binary:/no/such/program", "no file or directory '/no/such/program'"),
        ("pid:", "pid: wants the number of a process behind it, not ''"),
        ("pid:web", "pid: wants the number of a process behind it, not 'web'"),
        ("pid:4194305", "pid:4194305: there is no such process"),
        ("grpc:", "there is nothing behind grpc: to connect to"),
        ("grpc:vsock://3:1", "gRPC is asked over unix and tcp sockets only"),
    ],
)
def test_a_source_that_is_not_there_is_named(source: str, says: str) -> None:
    outcome = ttrpc("list", "-s", source)

    assert (outcome.code, outcome.out) == (1, "")
    assert says in outcome.err


def test_verbose_tells_where_in_a_binary_each_file_was(tmp_path: Path) -> None:
    program = tmp_path / "program"
    whole = FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    broken = FileDescriptorProto(name="b.proto", package="b", dependency=["c.proto"])
    broken.message_type.add(name="M").field.add(
        name="f", number=1, type=11, label=1, type_name=".c.C"
    )
    program.write_bytes(b"0123" + whole.SerializeToString() + b"." + broken.SerializeToString())

    err = ttrpc("list", "-s", f"binary:{program}", "-v").err

    assert f"  0x00000004  raw   {whole.ByteSize():>6} bytes  a.proto\n" in err
    assert "  b.proto left out: " in err
    assert "c.proto" in err


# --compare


def test_compare_says_that_a_schema_equals_a_release() -> None:
    outcome = ttrpc("describe", "-s", "containerd@1.6", V2, "--compare", "containerd@1.6")

    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[:2] == [
        "against containerd@1.6 (v1.6.39):",
        f"{V2}: 17 methods, 0 differences",
    ]


def test_compare_prints_each_difference() -> None:
    outcome = ttrpc("describe", "-s", "containerd@1.5", V2, "--compare", "containerd@1.2")

    assert f"{V2}: 17 methods, 2 differences\n" in outcome.out
    assert "  containerd.task.v2.StateResponse: field 11 exec_id (string) added\n" in outcome.out
    assert "containerd.task.v2.UpdateTaskRequest: field 3 annotations" in outcome.out


def test_compare_of_one_message_is_about_that_and_what_is_in_it() -> None:
    symbol = "containerd.task.v2.StateResponse"

    outcome = ttrpc("describe", "-s", "containerd@1.5", symbol, "--compare", "containerd@1.2")

    assert f"{symbol}: 1 difference\n" in outcome.out
    assert "annotations" not in outcome.out


def test_compare_auto_finds_the_line(tmp_path: Path) -> None:
    target = tmp_path / "set.binpb"
    ttrpc("export", "-s", "containerd@2.1", "--descriptor-set", target)

    outcome = ttrpc("describe", "-s", target, "--compare", "auto")

    assert outcome.code == 0
    assert outcome.out.startswith("against containerd@2.1 (v2.1.9):\n")
    assert outcome.err == "Equal in what it has: containerd@2.1.\n"


def test_compare_in_json() -> None:
    outcome = ttrpc("describe", "-s", "containerd@1.5", V2, "--compare", "containerd@1.2", "--json")

    [found] = json.loads(outcome.out)
    assert (found["against"], found["tag"]) == ("containerd@1.2", "v1.2.14")
    [service] = found["services"]
    assert (service["name"], service["methods"], len(service["differences"])) == (V2, 17, 2)
    assert {one["kind"] for one in found["differences"]} == {"added"}


def test_compare_with_what_has_nothing_in_common_is_a_failure() -> None:
    outcome = ttrpc("describe", "-s", "nri@0.12", "--compare", "kata@4.1")

    assert (outcome.code, outcome.out) == (1, "")
    assert "nri@0.12 and kata@4.1 have nothing in common" in outcome.err


# Unknown fields


def test_a_field_that_another_line_knows_is_named_after_it() -> None:
    class Newer:
        def State(self, request: Any, context: Any) -> Any:
            return {"id": "web", "exec_id": "sh"}

    with serving((toolkit.load("containerd@1.3").service(V2), Newer())) as address:
        outcome = ttrpc("call", address, f"{V2}/State", "-s", "containerd@1.2")

    assert outcome.err == (
        "Warning: containerd.task.v2.StateResponse has no field 11 (length-delimited): not shown;"
        " it is exec_id since containerd@1.3 (1.3.10)\n"
    )
