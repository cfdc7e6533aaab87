"""What a container tells of itself: in its order, whoever is faster."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.caller import Caller
from toolkit.errors import MessageError, RpcError
from toolkit.shim import topics
from toolkit.shim.hosting.diary import Diary
from toolkit.shim.hosting.host import Exit
from toolkit.shim.process import ProcessShim
from toolkit.shim.serving.records import Records, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from toolkit.schema.method import Service


class Told(list[tuple[str, dict[str, Any]]]):
    """The events that were published."""

    def publish(self, topic: str, values: Any) -> None:
        self.append((topic, dict(values)))

    @property
    def topics(self) -> list[str]:
        return [topic.removeprefix("/tasks/") for topic, _ in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def shim(told: Told) -> Iterator[ProcessShim]:
    with ProcessShim(publish=told.publish) as shim:
        yield shim


class Request:
    """A Create."""

    bundle, stdin, stdout, stderr = "/b", "", "/out", ""
    rootfs = ()


def test_an_exit_is_told_after_the_start_that_is_on_its_way(told: Told) -> None:
    diary = Diary("web", publish=told.publish)
    with diary.holding():
        diary.created(Request, 7)
    with diary.holding():
        diary.ended("", 7, Exit(0, 1))
        diary.started("", 7)

    assert told.topics == ["create", "start", "exit"]


def test_an_exit_is_told_where_the_start_fails(told: Told) -> None:
    diary = Diary("web", publish=told.publish)
    with diary.holding():
        diary.created(Request, 7)

    def start() -> None:
        with diary.holding():
            diary.ended("", 7, Exit(127, 1))
            raise RpcError(3, "no such program")

    with pytest.raises(RpcError):
        start()

    assert told.topics == ["create", "exit"]


def test_of_a_container_that_could_not_be_made_nothing_is_told(told: Told) -> None:
    diary = Diary("web", publish=told.publish)
    with diary.holding():
        diary.ended("", 7, Exit(137, 1))

    assert told == []


def test_two_starts_at_once_hold_back_until_both_are_told(told: Told) -> None:
    diary = Diary("web", publish=told.publish)
    with diary.holding():
        diary.created(Request, 7)
    with diary.holding():
        with diary.holding():
            diary.ended("a", 8, Exit(0, 1))
            diary.started("b", 9)
        diary.started("a", 8)

    assert told.topics == ["create", "exec-started", "exec-started", "exit"]


def test_an_event_that_cannot_be_published_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def publish(topic: str, values: Any) -> None:
        raise MessageError("Envelope", "namespace", "no such")

    diary = Diary("web", publish=publish)
    with diary.holding():
        diary.created(Request, 7)

    assert "event /tasks/create of container web cannot be published" in caplog.text


def test_a_whole_life_is_told(call: Caller, told: Told, sleeper: Path) -> None:
    call.run("web", sleeper, stdout="/dev/null")
    call.exec("web", "extra", "sh", "-c", "exit 7")
    call.wait("web", "extra")
    call("Delete", id="web", exec_id="extra")
    call("Pause", id="web")
    call("Resume", id="web")
    call("Kill", id="web", signal=9)
    call.wait("web")
    call("Delete", id="web")

    assert told.topics == [
        "create",
        "start",
        "exec-added",
        "exec-started",
        "exit",
        "paused",
        "resumed",
        "exit",
        "delete",
    ]
    values = dict(told)[topics.TASK_DELETE]
    assert values["exit_status"] == 137
    assert {one["container_id"] for _, one in told} == {"web"}
    assert dict(told)[topics.TASK_CREATE]["io"]["stdout"] == "/dev/null"
    ends = [one["id"] for topic, one in told if topic == topics.TASK_EXIT]
    assert ends == ["extra", "web"]


def test_the_execs_are_told_to_end_before_the_container(
    call: Caller, told: Told, sleeper: Path
) -> None:
    call.run("web", sleeper)
    for name in ("a", "b"):
        call.exec("web", name, "sleep", "1000")
    call("Kill", id="web", signal=9)
    call.wait("web")

    ends = [one["id"] for topic, one in told if topic == topics.TASK_EXIT]
    assert sorted(ends[:2]) == ["a", "b"]
    assert ends[2:] == ["web"]


def test_a_start_that_fails_tells_an_exit_and_no_start(
    call: Caller, told: Told, make_bundle: Callable[..., Path]
) -> None:
    call("Create", id="web", bundle=str(make_bundle("/no/such/program")))
    with pytest.raises(RpcError):
        call("Start", id="web")
    call("Delete", id="web")

    assert told.topics == ["create", "exit", "delete"]


def test_short_lives_are_told_in_order_from_many_threads(
    shim: ProcessShim, task: Service, told: Told, make_bundle: Callable[..., Path]
) -> None:
    bundle = make_bundle("true")

    def live(name: str) -> None:
        caller = Caller(shim, task)
        caller.run(name, bundle)
        caller.wait(name)
        caller("Delete", id=name)

    names = [f"web-{number}" for number in range(8)]
    threads = [threading.Thread(target=live, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for name in names:
        own = [topic for topic, values in told if values["container_id"] == name]
        assert own == [topics.TASK_CREATE, topics.TASK_START, topics.TASK_EXIT, topics.TASK_DELETE]


def test_the_processes_are_noted_in_the_bundle(task: Service, sleeper: Path) -> None:
    with ProcessShim(record=True) as shim:
        caller = Caller(shim, task)
        pid = caller.run("web", sleeper)
        extra = caller.exec("web", "extra", "sleep", "1000")
        running = {entry.exec_id: entry.pid for entry in read_records(sleeper)}
        caller("Kill", id="web", exec_id="extra", signal=9)
        caller.wait("web", "extra")
        caller("Delete", id="web", exec_id="extra")
        caller("Kill", id="web", signal=9)
        ended = caller.wait("web")

        [entry] = read_records(sleeper)
        caller("Delete", id="web")

    assert running == {"": pid, "extra": extra}
    assert (entry.pid, entry.status, ended) == (pid, 137, 137)
    assert [path.name for path in sleeper.iterdir()] == ["config.json"]


def test_a_bundle_that_cannot_be_written_to_is_a_warning(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    Diary("web", records=Records(tmp_path / "none")).launched("", os.getpid())

    assert "would outlive a killed shim" in caplog.text
