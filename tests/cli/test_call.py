"""``ttrpc call``: the call, its reply, and every way in which it can fail."""

from __future__ import annotations

import json
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import Task, serving, ttrpc
from tests.cli.schemas import FORMS, arguments
from toolkit import Code, RpcError
from toolkit.cli import call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

V2, V3 = "containerd.task.v2.Task", "containerd.task.v3.Task"


class Failing:
    """A State that fails in the way that it was made for."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def State(self, request: Any, context: Any) -> None:
        raise self.error


class Silent:
    """A State that answers when it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def State(self, request: Any, context: Any) -> None:
        self.let_go.wait(10)


def service(name: str, release: str = "containerd@2.4") -> Any:
    return toolkit.load(release).service(name)


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def v3_shim(task: Task) -> Iterator[str]:
    with serving((service(V3), task)) as address:
        yield address


@pytest.fixture
def v2_shim(task: Task) -> Iterator[str]:
    with serving((service(V2, "containerd@1.6"), task)) as address:
        yield address


@pytest.mark.parametrize("form", FORMS)
def test_a_call_works_with_every_form_of_schema(form: str, tmp_path: Path, v3_shim: str) -> None:
    outcome = ttrpc(
        "call", v3_shim, f"{V3}/State", "-d", '{"id": "web"}', *arguments(form, tmp_path)
    )

    assert outcome.code == 0
    assert json.loads(outcome.out) == {"id": "web", "pid": 42, "status": "RUNNING"}
    assert outcome.err == ""


@pytest.mark.parametrize("name", [f"{V3}/State", f"{V3}.State", f"/{V3}/State", f".{V3}.State"])
def test_a_method_is_found_however_it_is_written(name: str, v3_shim: str) -> None:
    assert ttrpc("call", v3_shim, name).code == 0


def test_a_reply_can_be_the_next_request(v3_shim: str, task: Task) -> None:
    first = ttrpc("call", v3_shim, "State", "-d", '{"id": "web", "execId": "sh"}')
    again = json.dumps({"id": json.loads(first.out)["id"]}).encode()

    second = ttrpc("call", v3_shim, "State", "-d", "@-", stdin=again)

    assert second == first
    assert [request.id for request in task.requests] == ["web", "web"]


def test_without_data_the_request_is_empty(v3_shim: str, task: Task) -> None:
    assert ttrpc("call", v3_shim, "State").code == 0
    assert task.requests[0].ByteSize() == 0


@pytest.mark.parametrize("schema", [[], ["-s", "containerd@1.6"], ["-s", "containerd@2.4"]])
def test_a_short_name_reaches_a_shim_that_only_has_v2(schema: list[str], v2_shim: str) -> None:
    outcome = ttrpc("call", v2_shim, "State", "-d", '{"id": "web"}', *schema)

    assert outcome.code == 0
    assert json.loads(outcome.out)["status"] == "RUNNING"


@pytest.mark.parametrize("schema", [[], ["-s", "containerd@2.4"]])
def test_a_short_name_reaches_a_shim_that_only_has_v3(
    schema: list[str], v3_shim: str, task: Task
) -> None:
    outcome = ttrpc("call", v3_shim, "State", *schema)

    assert outcome.code == 0
    assert len(task.requests) == 1


def test_verbose_tells_which_service_answered(v2_shim: str) -> None:
    outcome = ttrpc("call", v2_shim, "State", "-v")

    assert f"{V3}/State: UNIMPLEMENTED" in outcome.err
    assert f"rpc State ( .{V2.removesuffix('Task')}StateRequest )" in outcome.err


def test_a_short_name_that_fails_in_the_handler_is_not_tried_again(task: Task) -> None:
    failing = Failing(RpcError(Code.NOT_FOUND, "container not created"))
    with serving((service(V3), failing), (service(V2), task)) as address:
        outcome = ttrpc("call", address, "State")

    assert outcome.code == 69
    assert task.requests == []


def test_a_method_that_neither_version_implements_fails_with_the_handler_s_words() -> None:
    refusing = Failing(RpcError(Code.UNIMPLEMENTED, "no checkpoints here"))
    with serving((service(V3), refusing)) as address:
        outcome = ttrpc("call", address, "State")

    assert outcome.code == 76
    assert "  Message: no checkpoints here\n" in outcome.err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (Code.NOT_FOUND, f"service {V3}"),
        (Code.INVALID_ARGUMENT, f"/{V3}/State does not exist"),
        (Code.INVALID_ARGUMENT, f"{V3} service does not exist"),
    ],
)
def test_other_servers_words_for_a_missing_service_are_known(
    code: Code, message: str, task: Task
) -> None:
    refusing = Failing(RpcError(code, message))
    with serving((service(V3), refusing), (service(V2), task)) as address:
        outcome = ttrpc("call", address, "State")

    assert outcome.code == 0
    assert len(task.requests) == 1


def test_a_full_name_means_that_service_and_no_other(v2_shim: str, task: Task) -> None:
    outcome = ttrpc("call", v2_shim, f"{V3}/State", "-s", "containerd@2.3")

    assert outcome.code == 76
    assert "  Code: Unimplemented\n" in outcome.err
    assert task.requests == []


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
def test_a_status_is_printed_as_grpcurl_does_and_is_the_exit_code(code: Code) -> None:
    with serving((service(V3), Failing(RpcError(code, "as it is")))) as address:
        outcome = ttrpc("call", address, f"{V3}/State", "-d", "{}")

    assert outcome.code == 64 + code
    assert outcome.out == ""
    assert outcome.err == f"ERROR:\n  Code: {code.go_name}\n  Message: as it is\n"


@pytest.mark.parametrize(("code", "exit_code"), [(17, 81), (191, 255), (1000, 255), (-1, 255)])
def test_a_code_that_grpc_does_not_know_is_shown_by_number(code: int, exit_code: int) -> None:
    with serving((service(V3), Failing(RpcError(code, "odd")))) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    assert outcome.code == exit_code
    assert f"  Code: Code({code})\n" in outcome.err


def test_details_are_decoded_and_numbered() -> None:
    schema = toolkit.load("containerd@2.4")
    known = schema.pack("containerd.task.v3.KillRequest", {"id": "web", "signal": 9})
    details = [
        toolkit.errors.RawAny(known.type_url, known.value),
        toolkit.errors.RawAny("no.such.Type", b"\x01\x02"),
    ]
    error = RpcError(Code.ABORTED, "twice", details)
    with serving((service(V3), Failing(error))) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    head, first, second = (
        outcome.err.partition("  Details:\n")[0],
        *outcome.err.split("  1)\t")[1].split("  2)\t"),
    )
    assert head == "ERROR:\n  Code: Aborted\n  Message: twice\n"
    assert '\n    \t  "signal": 9\n    \t}\n' in first
    assert '"@value": "AQI="' in second


def test_a_message_cannot_drive_the_terminal() -> None:
    error = RpcError(Code.INTERNAL, "red \x1b[31m\r\x9b2J text")
    with serving((service(V3), Failing(error))) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    assert "  Message: red \\x1b[31m\\r\\x9b2J text\n" in outcome.err


def test_a_deadline_here_is_exit_code_68() -> None:
    silent = Silent()
    with serving((service(V3), silent)) as address:
        outcome = ttrpc("call", address, f"{V3}/State", "--max-time", "0.05")
        silent.let_go.set()

    assert outcome.code == 68
    assert "  Code: DeadlineExceeded\n" in outcome.err


def test_the_deadline_reaches_the_server(v3_shim: str, task: Task) -> None:
    ttrpc("call", v3_shim, "State", "--max-time", "60")
    ttrpc("call", v3_shim, "State")

    bounded, unbounded = task.contexts
    assert bounded.deadline > 0
    assert unbounded.deadline is None


def test_headers_and_namespace_reach_the_server(v3_shim: str, task: Task) -> None:
    ttrpc("call", v3_shim, "State", "-H", "Trace: a", "-H", "trace: b", "-n", "moby")

    metadata = task.contexts[0].metadata
    assert metadata.get_all("trace") == ["a", "b"]
    assert metadata.get("containerd-namespace-ttrpc") == "moby"


def test_a_wait_without_a_deadline_says_after_a_while_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = Silent()
    hints: list[str] = []

    def note(text: str) -> None:
        hints.append(text)
        silent.let_go.set()

    monkeypatch.setattr(call, "_PATIENCE", 0.01)
    monkeypatch.setattr(call, "note", note)
    with serving((service(V3), silent)) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    assert outcome.code == 0
    assert hints == ["No reply for 0.01 s; --max-time sets a deadline, Ctrl-C ends the wait."]


def test_verbose_tells_all_on_stderr_and_leaves_stdout_alone(v3_shim: str) -> None:
    quiet = ttrpc("call", v3_shim, f"{V3}/State", "-d", '{"id": "web"}')

    outcome = ttrpc("call", v3_shim, f"{V3}/State", "-d", '{"id": "web"}', "-v", "-H", "a: b")

    assert outcome.out == quiet.out
    tried = [line for line in outcome.err.splitlines() if line.startswith("  ")]
    assert "  its binary: no descriptors in " in tried[0]
    assert "  reflection: " in tried[1]
    said = [line for line in outcome.err.splitlines() if line.startswith("// ")]
    assert said[0].startswith("// Tells the status, pid and I/O")
    left_out = (*tried, *said)
    told = "".join(f"{line}\n" for line in outcome.err.splitlines() if line not in left_out)
    assert re.sub(r"[\d.]+ ms", "… ms", told) == (
        f"Address: {v3_shim}\n"
        f"Schema: containerd@2.4 (v2.4.2), the newest vendored release that has {V3}\n"
        "\nResolved method descriptor:\n"
        "rpc State ( .containerd.task.v3.StateRequest ) "
        "returns ( .containerd.task.v3.StateResponse );\n"
        "\nRequest metadata to send:\na: b\n"
        "\nResponse contents:\n"
        "\nSent 1 request and received 1 response in … ms\n"
    )


def test_fields_that_the_schema_does_not_know_are_named_on_stderr(tmp_path: Path) -> None:
    newer, older = tmp_path / "newer.proto", tmp_path / "older.proto"
    text = 'syntax = "proto3"; package a; message M {{ string id = 1; {} }} message N {{ {} }}'
    tail = " service S { rpc Get (M) returns (M); }"
    newer.write_text(text.format("N n = 2; repeated N all = 3;", "int32 x = 7;") + tail)
    older.write_text(text.format("N n = 2; repeated N all = 3;", "") + tail)

    class S:
        def Get(self, request: Any, context: Any) -> dict[str, Any]:
            return {"id": "web", "n": {"x": 1}, "all": [{}, {"x": 2}]}

    with serving((toolkit.load(newer).service("a.S"), S())) as address:
        outcome = ttrpc("call", address, "Get", "-s", older)

    assert json.loads(outcome.out) == {"id": "web", "n": {}, "all": [{}, {}]}
    assert outcome.err == (
        "Warning: a.N has no field 7 (varint) at n: not shown\n"
        "Warning: a.N has no field 7 (varint) at all[1]: not shown\n"
    )


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([f"{V2}/Stat"], f"{V2}/State or"),
        (["containerd.task.v2.Tsk/State"], "did you mean containerd.task.v2.Task"),
        (["Sttate"], "no vendored release has a method 'Sttate'; did you mean State"),
        ([f"{V3}/State", "-s", "containerd@1.6"], "it is in containerd@1.7"),
        ([f"{V3}/State", "-d", '{"id": 7}'], "id"),
        ([f"{V3}/State", "-d", '{"idd": "web"}'], "did you mean id"),
        ([f"{V3}/State", "-d", '{"id": '], "the data is no JSON"),
        ([f"{V3}/State", "-d", "{}{}"], "takes one message; the data holds 2"),
        ([f"{V3}/State", "-d", '{"id":' * 100_000], "nested too deep"),
        ([f"{V3}/State", "-d", "9" * 5000], "cannot be read"),
        ([f"{V3}/State", "-d", "@/no/such/file"], "cannot read /no/such/file"),
        (["Get", "-s", "containerd@2.4"], "has 5 methods named 'Get'; name one in full"),
        (["containerd.services.events.v1.Events/Subscribe"], "name its schema with -s"),
    ],
)
def test_what_cannot_be_called_exits_1_before_anything_is_sent(
    argv: list[str], says: str, v3_shim: str, task: Task
) -> None:
    outcome = ttrpc("call", v3_shim, *argv)

    assert outcome.code == 1
    assert says in outcome.err
    assert outcome.err.startswith("ttrpc: ")
    assert outcome.out == ""
    assert task.requests == []


def test_a_socket_that_is_absent_says_so() -> None:
    outcome = ttrpc("call", "/no/such.sock", "State")

    assert outcome.code == 1
    assert "cannot connect to unix:///no/such.sock" in outcome.err
    assert "no such file" in outcome.err


def test_a_file_that_is_no_socket_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    path.touch()

    outcome = ttrpc("call", path, "State")

    assert outcome.code == 1
    assert "not a socket" in outcome.err


def test_a_socket_whose_server_has_gone_says_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x.sock"))

    outcome = ttrpc("call", tmp_path / "x.sock", "State")

    assert outcome.code == 1
    assert "nobody listens" in outcome.err


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00",  # gRPC's HTTP/2 SETTINGS
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_a_peer_that_does_not_speak_ttrpc_is_a_failure_and_no_hang(
    greeting: bytes, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=answer)
        thread.start()
        outcome = ttrpc("call", tmp_path / "x.sock", "State", "--max-time", "5")
        thread.join()

    assert outcome.code == 1
    assert f"is unix://{tmp_path}/x.sock a TTRPC socket?" in outcome.err
    assert outcome.out == ""


def test_a_cache_that_cannot_be_used_is_for_verbose_to_tell(
    v3_shim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ttrpc-toolkit").write_text("a file where the cache's folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    quiet, verbose = ttrpc("call", v3_shim, "State"), ttrpc("call", v3_shim, "State", "-v")

    assert (quiet.code, quiet.err) == (0, "")
    assert verbose.code == 0
    assert "Warning: " in verbose.err


def test_a_slip_in_a_short_name_does_not_reach_for_a_grpc_service(v3_shim: str, task: Task) -> None:
    outcome = ttrpc("call", v3_shim, "Stat")

    assert outcome.code == 1
    assert "did you mean" in outcome.err
    assert "containerd.services.snapshots.v1.Snapshots/Stat, which gRPC servers" in outcome.err


def test_a_short_name_is_said_in_full_where_the_peer_lacks_it(v3_shim: str) -> None:
    outcome = ttrpc("call", v3_shim, "PingSandbox")

    assert outcome.code == 76
    assert "'PingSandbox' was taken for containerd.runtime.sandbox.v1.Sandbox/" in outcome.err


@pytest.mark.parametrize("name", ["Task/State", "Task.State"])
def test_a_method_goes_by_the_last_name_of_its_service(name: str, v2_shim: str) -> None:
    assert ttrpc("call", v2_shim, name).code == 0


@pytest.mark.parametrize("name", [V3, "Task"])
def test_a_service_is_no_method_and_its_methods_are_listed(name: str, v3_shim: str) -> None:
    outcome = ttrpc("call", v3_shim, name)

    assert outcome.code == 1
    assert f"{V3} is a service; name one of its methods:\n  {V3}/State\n" in outcome.err


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.INVALID_ARGUMENT])
def test_an_empty_request_that_is_refused_says_that_it_was_empty(code: Code) -> None:
    with serving((service(V3), Failing(RpcError(code, "what?")))) as address:
        outcome = ttrpc("call", address, f"{V3}/State")

    assert outcome.err.endswith("\n(no -d: the request was empty)\n")


def test_default_values_are_printed_where_asked_for(v3_shim: str) -> None:
    outcome = ttrpc("call", v3_shim, "State", "--emit-defaults")

    assert json.loads(outcome.out)["exitStatus"] == 0


def test_verbose_sets_a_failure_apart_and_says_how_long_it_took() -> None:
    with serving((service(V3), Failing(RpcError(Code.ABORTED, "no")))) as address:
        outcome = ttrpc("call", address, f"{V3}/State", "-v")

    assert re.search(r"received 0 responses in [\d.]+ ms\n\nERROR:\n", outcome.err)


@pytest.mark.parametrize(
    ("known", "what"),
    [(["-s", "containerd"], f"{V3}/State"), ([], "whether it has reflection")],
    ids=["call", "question"],
)
def test_a_server_that_dies_in_the_call_is_said_to_have_crashed(
    known: list[str], what: str, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "x.sock"))
        listener.listen()

        def die() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)

        thread = threading.Thread(target=die)
        thread.start()
        outcome = ttrpc("call", tmp_path / "x.sock", f"{V3}/State", "--max-time", "5", *known)
        thread.join()

    assert outcome.code == 1
    assert f"before it answered {what}; it may have crashed: see its log" in outcome.err


def test_a_socket_with_a_slip_in_its_name_is_named(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "task.sock"))

        outcome = ttrpc("call", tmp_path / "task.sck", "State")

    assert outcome.err.endswith("there is no such file; did you mean task.sock?\n")
