"""What a server answers to each kind of question about its schemas."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import toolkit
from toolkit.errors import SchemaError
from toolkit.reflection.answers import Answers
from toolkit.reflection.protocol import METHOD, services
from toolkit.schema.load import schema_from
from toolkit.schema.message import as_message
from toolkit.schema.sources import DescriptorSetSource

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

TASK = "containerd.task.v3.Task"
REFLECTION = services()
VERSIONS = [service.name for service in REFLECTION]
NOT_FOUND, INVALID_ARGUMENT = 5, 3


@functools.cache
def answers() -> Answers:
    return Answers([toolkit.load("containerd@2.3").service(TASK), *REFLECTION])


def ask(
    over: Answers, *, version: str = VERSIONS[0], sent: set[str] | None = None, **question: Any
) -> Any:
    """The reply, as a client of this version gets it."""
    method = next(service for service in REFLECTION if service.name == version)[METHOD]
    reply = over.answer(as_message(method.request, question), sent)
    return as_message(method.reply, reply)


def files_of(reply: Any) -> dict[str, FileDescriptorProto]:
    assert reply.WhichOneof("message_response") == "file_descriptor_response", reply
    found = reply.file_descriptor_response.file_descriptor_proto
    files = [FileDescriptorProto.FromString(data) for data in found]
    return {file.name: file for file in files}


def refusal(reply: Any) -> int:
    assert reply.WhichOneof("message_response") == "error_response", reply
    return int(reply.error_response.error_code)


def schema_of(folder: Path, **files: str) -> Schema:
    """A schema of .proto files, each named by its keyword."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.proto").write_text(f'syntax = "proto3";\n{text}')
    return toolkit.load(folder)


@pytest.mark.parametrize("version", VERSIONS)
def test_services_are_listed_sorted_with_reflection_s_own(version: str) -> None:
    reply = ask(answers(), version=version, list_services="*")

    names = [service.name for service in reply.list_services_response.service]
    assert names == sorted([TASK, *VERSIONS])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reply_repeats_host_and_question(version: str) -> None:
    reply = ask(answers(), version=version, host="a", file_containing_symbol="x")

    assert reply.valid_host == "a"
    assert reply.original_request.file_containing_symbol == "x"


@pytest.mark.parametrize(
    "symbol",
    [
        TASK,
        f"{TASK}.State",  # a method
        "containerd.task.v3.StateRequest",
        "containerd.task.v3.StateRequest.exec_id",  # a field
    ],
)
def test_the_file_of_a_symbol_comes_first_and_all_its_imports_follow(symbol: str) -> None:
    found = files_of(ask(answers(), file_containing_symbol=symbol))

    assert next(iter(found)) == "runtime/task/v3/shim.proto"
    assert {name for file in found.values() for name in file.dependency} <= found.keys()


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("containerd.v1.types.Status", "types/task/task.proto"),  # an enum
        ("containerd.v1.types.RUNNING", "types/task/task.proto"),  # its value, beside it
        ("containerd.v1.types.Status.RUNNING", "types/task/task.proto"),
        ("google.protobuf.Any", "google/protobuf/any.proto"),
        ("containerd.runc.v1.Options", "types/runc/options/oci.proto"),  # travels in an Any
    ],
)
def test_every_kind_of_symbol_of_the_schema_is_found(symbol: str, file: str) -> None:
    assert next(iter(files_of(ask(answers(), file_containing_symbol=symbol)))) == file


def test_a_file_is_found_by_its_name() -> None:
    assert "types/mount.proto" in files_of(ask(answers(), file_by_filename="types/mount.proto"))


def test_files_come_with_their_comments(tmp_path: Path) -> None:
    text = "package a;\n// what it does\nservice S { rpc M(N) returns (N); }\nmessage N {}"
    schema = schema_of(tmp_path, a=text)

    found = files_of(ask(Answers(schema.services()), file_by_filename="a.proto"))

    comments = [one.leading_comments for one in found["a.proto"].source_code_info.location]
    assert " what it does\n" in comments


def test_on_a_stream_an_import_is_sent_once_and_what_is_asked_for_again() -> None:
    sent: set[str] = set()
    first = files_of(ask(answers(), sent=sent, file_containing_symbol=TASK))

    second = files_of(ask(answers(), sent=sent, file_containing_symbol=TASK))
    third = files_of(ask(answers(), sent=sent, file_by_filename="google/protobuf/any.proto"))

    assert len(first) > 1
    assert list(second) == ["runtime/task/v3/shim.proto"]
    assert list(third) == ["google/protobuf/any.proto"]


@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "no/such.proto"},
        {"file_containing_symbol": "containerd.task.v3.Tusk"},
        {"file_containing_symbol": f".{TASK}"},
        {"file_containing_symbol": ""},
        {"file_containing_extension": {"containing_type": TASK, "extension_number": 1}},
        {"all_extension_numbers_of_type": "no.such.Type"},
    ],
)
def test_what_is_not_there_is_not_found(question: dict[str, Any]) -> None:
    assert refusal(ask(answers(), **question)) == NOT_FOUND


def test_a_request_without_a_question_is_refused() -> None:
    assert refusal(ask(answers(), host="a")) == INVALID_ARGUMENT


EXTENDED = """\
syntax = "proto2"; package e;
message M { extensions 100 to 200; }
extend M { optional string one = 120; }
message Inside { extend M { optional string two = 110; } }
service S { rpc Do(M) returns (M); }
"""


@pytest.fixture
def extended(tmp_path: Path) -> Answers:
    path = tmp_path / "e.proto"
    path.write_text(EXTENDED)
    return Answers(toolkit.load(path).services())


@pytest.mark.parametrize("number", [110, 120])
def test_an_extension_is_found_by_type_and_number(extended: Answers, number: int) -> None:
    question = {"containing_type": "e.M", "extension_number": number}

    assert list(files_of(ask(extended, file_containing_extension=question))) == ["e.proto"]


def test_the_numbers_of_a_type_s_extensions_are_sorted(extended: Answers) -> None:
    reply = ask(extended, all_extension_numbers_of_type="e.M").all_extension_numbers_response

    assert (reply.base_type_name, list(reply.extension_number)) == ("e.M", [110, 120])


def test_a_type_without_extensions_has_no_numbers(extended: Answers) -> None:
    reply = ask(extended, all_extension_numbers_of_type="e.Inside")

    assert reply.WhichOneof("message_response") == "all_extension_numbers_response"
    assert list(reply.all_extension_numbers_response.extension_number) == []


def test_imports_that_would_burst_the_frame_are_left_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = "".join(f"string a_long_name_{number} = {number + 1};" for number in range(20))
    schema = schema_of(
        tmp_path,
        a='package a; import "b.proto"; import "c.proto"; service S { rpc M(b.B) returns (c.C); }',
        b=f"package b; message B {{ {fields} }}",
        c=f"package c; message C {{ {fields} }}",
    )
    over = Answers(schema.services())
    room = len(schema.files()["a.proto"]) + len(schema.files()["b.proto"])
    monkeypatch.setattr("toolkit.reflection.answers.MAX_REPLY", room)

    reply = ask(over, file_by_filename="a.proto")

    assert list(files_of(reply)) == ["a.proto", "b.proto"]
    assert list(files_of(ask(over, file_by_filename="c.proto"))) == ["c.proto"]


def test_two_lines_of_containerd_clash_and_the_text_names_services_and_files() -> None:
    old = toolkit.load("containerd@1.6").service("containerd.task.v2.Task")
    new = toolkit.load("containerd@2.3").service(TASK)

    with pytest.raises(SchemaError) as caught:
        Answers([old, new])

    text = str(caught.value)
    assert "containerd.task.v2.Task of containerd@1.6" in text
    assert f"{TASK} of containerd@2.3" in text
    assert "github.com/containerd/containerd/api/types/mount.proto" in text
    assert " types/mount.proto" in text


def test_two_files_of_one_name_clash(tmp_path: Path) -> None:
    one = schema_of(
        tmp_path / "one", a="package one; message M {} service S { rpc D(M) returns (M); }"
    )
    two = schema_of(
        tmp_path / "two", a="package two; message M {} service S { rpc D(M) returns (M); }"
    )

    with pytest.raises(SchemaError, match=r"one\.S of .*two\.S of .*each has another a\.proto"):
        Answers([*one.services(), *two.services()])


def test_a_file_that_no_service_needs_gives_way_instead_of_clashing(tmp_path: Path) -> None:
    one = schema_of(
        tmp_path / "one", a="package one; message M {} service S { rpc D(M) returns (M); }"
    )
    two = schema_of(
        tmp_path / "two",
        a="package two; message Other {}",
        b="package two; message M {} service S { rpc D(M) returns (M); }",
    )

    over = Answers([*two.services(), *one.services()])

    assert list(files_of(ask(over, file_containing_symbol="one.M"))) == ["a.proto"]
    assert list(files_of(ask(over, file_containing_symbol="two.M"))) == ["b.proto"]
    assert refusal(ask(over, file_containing_symbol="two.Other")) == NOT_FOUND


def test_the_engine_s_own_files_do_not_clash(tmp_path: Path) -> None:
    """Each compiler brings copies of google/protobuf that differ in options only."""
    text = (
        'import "google/protobuf/any.proto"; import "google/protobuf/empty.proto";'
        "service S { rpc D(google.protobuf.Any) returns (google.protobuf.Empty); }"
    )
    one = schema_of(tmp_path / "one", a=f"package one; {text}")
    two = schema_of(tmp_path / "two", b=f"package two; {text}")
    files = two.file_protos()
    for file in files:
        if file.name == "google/protobuf/any.proto":
            file.options.go_package = "example.com/any"
    other = schema_from(DescriptorSetSource([file.SerializeToString() for file in files]))

    over = Answers([*one.services(), *other.services()])

    assert "google/protobuf/any.proto" in files_of(ask(over, file_containing_symbol="two.S"))
