"""Events out of envelopes of every line, and into them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.shim import crate
from toolkit.errors import MessageError, RawAny, SymbolNotFound
from toolkit.schema.message import as_message
from toolkit.shim import topics
from toolkit.shim.events import from_request, make_envelope

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema

NEWEST = toolkit.load("containerd")
LINES = [each.name for each in toolkit.releases() if each.project == "containerd"]
SERVICES = ["containerd.services.events.ttrpc.v1", "containerd.services.events.v1"]
EXIT = {"container_id": "web", "id": "web", "pid": 7, "exit_status": 137}
AT_NANO = 1_700_000_000_000_000_005


def envelope_of(event: RawAny, *, schema: Schema = NEWEST, **others: Any) -> Any:
    values = {
        "timestamp": {"seconds": 1_700_000_000, "nanos": 5},
        "namespace": "default",
        "topic": topics.topic_of(event.type_url),
        "event": event._asdict(),
        **others,
    }
    request = schema.message("containerd.services.events.ttrpc.v1.ForwardRequest")
    return as_message(request, {"envelope": values})


@pytest.mark.parametrize("name", crate.EVENTS)
def test_an_event_of_the_crate_is_read(name: str) -> None:
    event = from_request(envelope_of(crate.recorded(name)))

    assert event.message == NEWEST.message(name)(**crate.EVENTS[name])
    assert event.decoded
    assert (event.type, event.namespace) == (name, "default")
    assert topics.message_name(event.topic) == name


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("package", SERVICES)
def test_the_requests_and_envelopes_of_every_line_are_read(line: str, package: str) -> None:
    schema = toolkit.load(line)
    service = next((each for each in schema.services() if each.name == f"{package}.Events"), None)
    if service is None:
        assert (line, package) == ("containerd@1.2", SERVICES[0])
        return
    envelope = make_envelope(
        "default", "containerd.events.TaskExit", EXIT, time_nano=AT_NANO, schema=schema
    )
    request = as_message(service["Forward"].request, {"envelope": envelope})

    event = from_request(request)

    assert event == from_request(request.envelope)
    assert event.time_nano == AT_NANO
    assert (event.topic, event.message.exit_status) == (topics.TASK_EXIT, 137)
    assert from_request(request, schema).message.exit_status == 137


def test_a_type_url_with_a_slash_is_the_same_type() -> None:
    bare = crate.recorded("containerd.events.TaskOOM")
    slashed = bare._replace(type_url=f"type.googleapis.com/{bare.type_url}")

    event = from_request(envelope_of(slashed))

    assert event.message.container_id == "web"
    assert event.type == "containerd.events.TaskOOM"


@pytest.mark.parametrize(
    "raw",
    [
        RawAny("example.Unknown", b"\x08\x01"),
        RawAny("containerd.events.TaskExit", b"\xff\xff"),
        RawAny("", b""),
    ],
    ids=["unknown type", "other bytes", "no type"],
)
def test_an_event_that_cannot_be_read_keeps_its_any(raw: RawAny) -> None:
    event = from_request(envelope_of(raw, topic="/other/thing"))

    assert event.message is event.raw
    assert event.raw == raw
    assert not event.decoded
    assert event.topic == "/other/thing"


def test_an_event_that_only_a_companion_knows_is_read() -> None:
    raw = crate.recorded("io.containerd.cgroups.v2.Metrics")

    event = from_request(envelope_of(raw, topic="/metrics/sample"))

    assert event.message.pids.current == 4


def test_the_time_is_given_to_the_microsecond() -> None:
    raw = crate.recorded("containerd.events.TaskOOM")
    stamp = {"seconds": 1_700_000_000, "nanos": 123_456_789}

    event = from_request(envelope_of(raw, timestamp=stamp))

    assert event.time_nano == 1_700_000_000_123_456_789
    assert event.time == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)


def test_an_event_without_a_time_is_of_1970_as_for_containerd() -> None:
    raw = crate.recorded("containerd.events.TaskOOM")

    event = from_request(envelope_of(raw, timestamp=None))

    assert (event.time_nano, event.time.year) == (0, 1970)


@pytest.mark.parametrize("name", crate.EVENTS)
def test_an_envelope_has_the_crates_bytes_and_topic(name: str) -> None:
    made = make_envelope("default", name, crate.EVENTS[name], time_nano=AT_NANO)

    assert RawAny(**made["event"]) == crate.recorded(name)
    assert made["topic"] == topics.topic_of(name)
    assert made["timestamp"] == {"seconds": 1_700_000_000, "nanos": 5}


def test_an_envelope_takes_a_message_of_any_schema() -> None:
    message = toolkit.load("containerd@1.3").message("containerd.events.TaskPaused")(
        container_id="web"
    )

    made = make_envelope("default", message)

    assert made["topic"] == topics.TASK_PAUSED
    assert from_request(envelope_of(RawAny(**made["event"]))).message.container_id == "web"


def test_an_envelope_is_of_now_unless_told() -> None:
    before = time.time_ns()

    stamp = make_envelope("default", "containerd.events.TaskOOM")["timestamp"]

    assert before <= stamp["seconds"] * 1_000_000_000 + stamp["nanos"] <= time.time_ns()


def test_a_topic_can_be_given() -> None:
    made = make_envelope("k8s.io", "containerd.runc.v1.Options", topic="/my/own-topic")

    assert made["topic"] == "/my/own-topic"


@pytest.mark.parametrize(
    ("namespace", "name", "topic", "complaint"),
    [
        ("", "containerd.events.TaskOOM", "", "'' is no namespace"),
        ("a/b", "containerd.events.TaskOOM", "", "'a/b' is no namespace"),
        ("a" * 77, "containerd.events.TaskOOM", "", "76 at most"),
        ("default", "containerd.events.TaskIO", "", "TaskIO has no topic of its own"),
        ("default", "containerd.events.TaskOOM", "tasks/oom", "'tasks/oom' is no topic"),
        ("default", "containerd.events.TaskOOM", "/", "'/' is no topic"),
        ("default", "containerd.events.TaskOOM", "/tasks//oom", "'/tasks//oom' is no topic"),
        ("default", "containerd.events.TaskOOM", "/tasks/?", "containerd refuses /tasks/?"),
    ],
)
def test_what_containerd_would_refuse_is_refused_here(
    namespace: str, name: str, topic: str, complaint: str
) -> None:
    with pytest.raises(MessageError) as caught:
        make_envelope(namespace, name, topic=topic)

    assert complaint in str(caught.value)


def test_an_event_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(SymbolNotFound, match="TaskExit"):
        make_envelope("default", "containerd.events.TaskExitt", EXIT)
