"""Topics are containerd's, and every event of every line has one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from tests.shim import crate
from toolkit.shim import topics

LINES = [each.name for each in toolkit.releases() if each.project == "containerd"]
NEWEST = toolkit.load("containerd")


def test_topics_of_tasks_are_those_of_the_crate() -> None:
    ours = {topic: name for topic, name in topics.MESSAGES.items() if topic.startswith("/tasks/")}

    assert {**ours, topics.TASK_UNKNOWN: ""} == crate.TOPICS


def test_constants_are_the_topics() -> None:
    names = [name for name in topics.__all__ if name.isupper() and name != "MESSAGES"]

    assert {getattr(topics, name) for name in names} == {*topics.MESSAGES, topics.TASK_UNKNOWN}


@pytest.mark.parametrize("line", LINES)
def test_every_event_of_a_line_has_a_topic(line: str) -> None:
    schema = toolkit.load(line)
    events = [
        message
        for name in schema.files()
        if "events/" in name and "services/" not in name
        for message in schema.pool.FindFileByName(name).message_types_by_name.values()
    ]

    without = {each.name for each in events if topics.topic_of(each.full_name) == "/tasks/?"}

    assert len(events) >= 20
    assert without == {"TaskIO"}  # a part of TaskCreate


@pytest.mark.parametrize(("topic", "name"), topics.MESSAGES.items())
def test_a_topic_and_its_message_lead_to_each_other(topic: str, name: str) -> None:
    message = NEWEST.message(name)

    assert topics.topic_of(message()) == topic
    assert topics.topic_of(name) == topics.topic_of(f"type.googleapis.com/{name}") == topic
    assert topics.message_name(topic) == name


def test_what_has_no_topic_is_unknown_as_from_containerd() -> None:
    assert topics.topic_of("containerd.events.TaskIO") == "/tasks/?"
    assert topics.message_name("/tasks/?") is None
    assert topics.message_name("/nothing/here") is None


def test_importing_topics_imports_no_protobuf() -> None:
    program = "import sys, toolkit.shim.topics; print('google.protobuf' in sys.modules)"
    root = Path(__file__).parents[2]

    assert subprocess.check_output([sys.executable, "-c", program], cwd=root) == b"False\n"
