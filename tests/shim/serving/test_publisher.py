"""Events on their way to containerd, which may be slow, absent, or restarting."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.shim.serving.publishers import FACES, Containerd
from tests.shim.serving.waiting import eventually
from toolkit.errors import MessageError, RpcError
from toolkit.shim import topics
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SOON = (0.02,) * 5  # seconds between tries
OOM = topics.TASK_OOM


@pytest.fixture
def containerd(tmp_path: Path) -> Iterator[Containerd]:
    server = Containerd(f"unix://{tmp_path}/events.sock")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=FACES, ids=["sync", "asyncio"])
def make(request: pytest.FixtureRequest, containerd: Containerd) -> Iterator[Callable[..., Any]]:
    """Makes a publisher of one flavour; each is closed at the end."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        options = {"delays": SOON, **options}
        made.append(request.param(containerd.address, "default", **options))
        return made[-1]

    yield make
    for publisher in made:
        publisher.close(0)


def publish(publisher: Any, *ids: str) -> None:
    for id in ids:
        publisher.publish(OOM, {"container_id": id})


def test_an_envelope_has_time_namespace_topic_and_the_bare_type_name(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    before = time.time()

    publish(make(), "web")

    assert containerd.has(1)
    [envelope] = containerd.events
    assert (envelope.namespace, envelope.topic) == ("default", "/tasks/oom")
    assert envelope.event.type_url == "containerd.events.TaskOOM"
    assert before - 1 < envelope.timestamp.seconds <= time.time()


def test_a_message_is_taken_as_it_is(make: Callable[..., Any], containerd: Containerd) -> None:
    message = toolkit.load("containerd@1.6").message("containerd.events.TaskStart")

    make().publish(topics.TASK_START, message(container_id="web", pid=7))

    assert containerd.has(1)
    assert containerd.ids() == ["web"]


def test_an_address_may_be_a_path(request: pytest.FixtureRequest, containerd: Containerd) -> None:
    for face in FACES:
        publisher = face(containerd.address.removeprefix("unix://"), "default")
        publish(publisher, "web")
        assert publisher.close() == 0

    assert len(containerd.events) == 2


def test_the_order_is_kept(make: Callable[..., Any], containerd: Containerd) -> None:
    ids = [str(number) for number in range(200)]

    publish(make(), *ids)

    assert containerd.has(200)
    assert containerd.ids() == ids


def test_publish_does_not_wait_for_a_slow_containerd(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    gate = threading.Event()
    containerd.answer = lambda envelope: gate.wait(10)
    publisher = make()

    publish(publisher, "a", "b", "c")  # it would wait for ten seconds each

    waiting = publisher.waiting
    gate.set()
    assert waiting == 3
    assert containerd.has(3)


def test_an_event_waits_for_a_containerd_that_is_not_there_yet(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    containerd.stop()
    publisher = make(delays=(0.05,) * 100)
    publish(publisher, "a", "b")

    containerd.start()

    assert containerd.has(2)
    assert containerd.ids() == ["a", "b"]
    assert publisher.dropped == 0


def test_a_restart_of_containerd_costs_no_event_and_no_delay(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    publisher = make(delays=(60.0,))
    publish(publisher, "a")
    assert containerd.has(1)

    containerd.stop()
    containerd.start()
    publish(publisher, "b")

    assert containerd.has(2)
    assert containerd.ids() == ["a", "b"]


def test_an_event_that_never_arrives_is_given_up_with_a_log_line(
    make: Callable[..., Any], containerd: Containerd, caplog: pytest.LogCaptureFixture
) -> None:
    containerd.stop()
    publisher = make(delays=(0.0,))

    publish(publisher, "a")

    assert eventually(lambda: publisher.dropped == 1)
    assert "event /tasks/oom is given up" in caplog.text


def test_an_event_that_containerd_refuses_is_not_tried_again(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    def refuse(envelope: Any) -> None:
        if toolkit.load("containerd").unpack(envelope.event).container_id == "bad":
            raise RpcError(Code.INVALID_ARGUMENT, "no such namespace")

    containerd.answer = refuse
    publisher = make(delays=(60.0,))

    publish(publisher, "bad", "good")

    assert containerd.has(1)
    assert containerd.ids() == ["good"]
    assert publisher.dropped == 1


def test_a_try_that_fails_otherwise_is_repeated(
    make: Callable[..., Any], containerd: Containerd
) -> None:
    failures = [RpcError(Code.UNKNOWN, "busy"), RpcError(Code.UNAVAILABLE, "busy")]

    def fail(envelope: Any) -> None:
        if failures:
            raise failures.pop()

    containerd.answer = fail

    publish(make(), "a", "b")

    assert containerd.has(2)
    assert containerd.ids() == ["a", "b"]


def test_a_try_ends_at_its_timeout(make: Callable[..., Any], containerd: Containerd) -> None:
    gate = threading.Event()
    containerd.answer = lambda envelope: gate.wait(10)
    publisher = make(timeout=0.05, delays=(0.0,))

    publish(publisher, "a")

    assert eventually(lambda: publisher.dropped == 1)
    gate.set()


def test_too_many_push_out_the_oldest_with_a_count_and_a_log_line(
    make: Callable[..., Any], containerd: Containerd, caplog: pytest.LogCaptureFixture
) -> None:
    containerd.stop()
    publisher = make(size=4, delays=(60.0,))

    publish(publisher, *"abcdefgh")

    assert (publisher.waiting, publisher.dropped) == (4, 4)
    assert "dropped event /tasks/oom, the oldest of too many; 4 so far" in caplog.text


def test_close_forwards_what_waits(make: Callable[..., Any], containerd: Containerd) -> None:
    publisher = make()
    publish(publisher, *map(str, range(100)))

    assert publisher.close(10) == 0

    assert len(containerd.events) == 100


def test_close_gives_up_at_its_timeout_and_says_how_many(
    make: Callable[..., Any], containerd: Containerd, caplog: pytest.LogCaptureFixture
) -> None:
    containerd.stop()
    publisher = make(delays=(60.0,))
    publish(publisher, "a", "b")

    assert publisher.close(0.05) == 2

    assert publisher.close(0.05) == 0
    assert "2 events were lost" in caplog.text


def test_nothing_is_published_once_it_is_closed(
    containerd: Containerd, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = FACES[0](containerd.address, "default")
    publisher.close()

    publish(publisher, "a")

    assert publisher.dropped == 1
    assert "the publisher is closed" in caplog.text


def test_without_an_address_events_are_dropped(caplog: pytest.LogCaptureFixture) -> None:
    publisher = FACES[0]("", "default")

    publish(publisher, "a")

    assert (publisher.dropped, publisher.close()) == (1, 0)
    assert "TTRPC_ADDRESS is empty" in caplog.text


def test_values_that_do_not_fit_are_an_error_of_the_caller(make: Callable[..., Any]) -> None:
    publisher = make()

    for topic, values in ((OOM, {"colour": "red"}), ("/my/topic", {}), ("no topic", {})):
        with pytest.raises(MessageError):
            publisher.publish(topic, values)


def test_threads_may_publish_at_once(containerd: Containerd) -> None:
    publisher = FACES[0](containerd.address, "default")
    threads = [
        threading.Thread(target=publish, args=(publisher, *[f"{n}-{i}" for i in range(50)]))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert publisher.close(10) == 0
    for number in range(4):
        own = [id for id in containerd.ids() if id.startswith(f"{number}-")]
        assert own == [f"{number}-{i}" for i in range(50)]


@pytest.fixture(autouse=True)
def quiet_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
