"""A schema put together from a server's answers, honest ones and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import toolkit
from toolkit.errors import SchemaError
from toolkit.reflection import loader
from toolkit.reflection.answers import Answers
from toolkit.reflection.loader import ReflectedSource, drive
from toolkit.reflection.protocol import METHOD, V1, method
from toolkit.schema.compare import differences
from toolkit.schema.load import schema_from
from toolkit.schema.message import as_message
from toolkit.schema.releases import releases

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.reflection.loader import Collected, Question
    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema

REFLECTION = method(V1)
WITH_SERVICES = [release.name for release in releases() if toolkit.load(release.name).services()]


def honest(services: Sequence[Service], *, stream: bool = False) -> Callable[[Question], Any]:
    """Answers as our server gives them."""
    answers = Answers(services)
    sent: set[str] | None = set() if stream else None

    def exchange(question: Question) -> Any:
        request = as_message(REFLECTION.request, question)
        return as_message(REFLECTION.reply, answers.answer(request, sent))

    return exchange


def reply(**fields: Any) -> Any:
    return as_message(REFLECTION.reply, fields)


def listing(*names: str) -> Any:
    return reply(list_services_response={"service": [{"name": name} for name in names]})


def files(*protos: FileDescriptorProto) -> Any:
    found = [proto.SerializeToString() for proto in protos]
    return reply(file_descriptor_response={"file_descriptor_proto": found})


def file(name: str, *imports: str, **parts: Any) -> FileDescriptorProto:
    return FileDescriptorProto(name=name, dependency=imports, syntax="proto3", **parts)


def schema_of(collected: Collected) -> Schema:
    return schema_from(ReflectedSource("a server", collected))


@pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("name", WITH_SERVICES)
def test_a_release_comes_over_as_far_as_its_services_need_it(name: str, stream: bool) -> None:
    original = toolkit.load(name)

    collected = drive(honest(original.services(), stream=stream))

    assert collected.services == [service.name for service in original.services()]
    assert collected.notes == []
    found = schema_of(collected)
    assert [one.text for one in differences(original, found) if one.kind != "removed"] == []
    assert [service.name for service in found.services()] == collected.services


def test_comments_come_over() -> None:
    original = REFLECTION.service.schema

    found = schema_of(drive(honest(original.services())))

    assert found.comments(f"{V1}.{METHOD}") == original.comments(f"{V1}.{METHOD}") != ""


def test_a_file_that_a_server_does_not_send_along_is_asked_for() -> None:
    original = toolkit.load("containerd@2.3")
    one_at_a_time = honest([original.service("containerd.task.v3.Task")])

    def exchange(question: Question) -> Any:
        answer = one_at_a_time(question)
        if answer.WhichOneof("message_response") != "file_descriptor_response":
            return answer
        del answer.file_descriptor_response.file_descriptor_proto[1:]
        return answer

    found = schema_of(drive(exchange))

    assert found.message("containerd.types.Mount")().target == ""


def test_a_service_that_the_server_does_not_know_is_noted_and_left_out() -> None:
    known = honest([toolkit.load("containerd@2.3").service("containerd.task.v3.Task")])

    def exchange(question: Question) -> Any:
        if "list_services" in question:
            return listing("containerd.task.v3.Task", "secret.Service")
        return known(question)

    collected = drive(exchange)

    assert [service.name for service in schema_of(collected).services()] == [
        "containerd.task.v3.Task"
    ]
    assert "secret.Service: error 5" in collected.notes[0]


def test_an_import_that_only_options_need_may_be_missing() -> None:
    def exchange(question: Question) -> Any:
        if "list_services" in question:
            return listing("a.S")
        if "file_containing_symbol" in question:
            return files(file("a.proto", "options.proto", package="a", service=[{"name": "S"}]))
        return reply(error_response={"error_code": 5, "error_message": "not found"})

    collected = drive(exchange)

    assert schema_of(collected).service("a.S").methods == []
    assert any("options.proto" in note for note in collected.notes)


def endless(question: Question) -> Any:
    """Every file imports one more."""
    if "list_services" in question:
        return listing("a.S")
    number = int(question.get("file_by_filename", "0.proto").removesuffix(".proto"))
    return files(file(f"{number}.proto", f"{number + 1}.proto"))


def broad(question: Question) -> Any:
    """Every file imports a hundred more."""
    if "list_services" in question:
        return listing("a.S")
    [name] = question.values()
    return files(file(f"{name}.proto", *(f"{name}.{n}" for n in range(100))))


def fat(question: Question) -> Any:
    """Each of many files is large."""
    if "list_services" in question:
        return listing(*(f"a.S{number}" for number in range(100)))
    [name] = question.values()
    return files(file(f"{name}.proto", package="a" * 100_000))


@pytest.mark.parametrize("server", [endless, broad, fat])
def test_an_endless_server_is_given_up(
    server: Callable[[Question], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "MAX_FILES", 500)
    monkeypatch.setattr(loader, "MAX_TOTAL", 1_000_000)

    with pytest.raises(SchemaError, match="more than"):
        drive(server)


def test_ever_more_services_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader, "MAX_SERVICES", 100)

    with pytest.raises(SchemaError, match="101 services"):
        drive(lambda question: listing(*(f"a.S{number}" for number in range(101))))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(), "asked for its services, got an empty reply"),
        (files(), "asked for its services, got a file_descriptor_response"),
        (reply(error_response={"error_code": 13, "error_message": "no"}), "error 13: no"),
    ],
)
def test_a_listing_that_is_none_is_an_error(answer: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        drive(lambda question: answer)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (reply(), "asked for a.S, got an empty reply"),
        (listing(), "asked for a.S, got a list_services_response"),
        (reply(file_descriptor_response={"file_descriptor_proto": [b"\xff\xff"]}), "descriptor"),
        (reply(file_descriptor_response={"file_descriptor_proto": [b""]}), "does not tell of them"),
    ],
)
def test_garbage_in_place_of_a_file_is_an_error(answer: Any, says: str) -> None:
    with pytest.raises(SchemaError, match=says):
        drive(lambda question: listing("a.S") if "list_services" in question else answer)


def test_files_that_import_each_other_are_left_out_and_said() -> None:
    def exchange(question: Question) -> Any:
        if "list_services" in question:
            return listing("a.S")
        return files(file("a.proto", "b.proto"), file("b.proto", "a.proto"))

    with pytest.raises(SchemaError, match="lead back"):
        drive(exchange)


def test_messages_nested_ten_thousand_deep_do_no_harm() -> None:
    inner = b""
    for _ in range(10_000):
        length, varint = len(inner), b""
        while length > 0x7F:
            varint, length = varint + bytes([length & 0x7F | 0x80]), length >> 7
        inner = b"\x1a" + varint + bytes([length]) + inner
    size = len(inner).to_bytes(3, "little")
    deep = b"\n\x07a.proto\x22" + bytes(
        [size[0] & 0x7F | 0x80, (len(inner) >> 7) & 0x7F | 0x80, len(inner) >> 14]
    )
    answer = reply(file_descriptor_response={"file_descriptor_proto": [deep + inner]})

    with pytest.raises(SchemaError, match=r"does not tell of them: a\.proto"):
        drive(lambda question: listing("a.S") if "list_services" in question else answer)
