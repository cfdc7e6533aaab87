"""What is proposed in place of a name that does not exist."""

from __future__ import annotations

import pytest

from toolkit.schema.nearest import nearest

KNOWN = [
    "containerd.services.content.v1.STAT",
    "containerd.services.snapshots.v1.Snapshots.Stat",
    "containerd.task.v2.Task",
    "containerd.task.v2.Task.Start",
    "containerd.task.v2.Task.State",
    "containerd.task.v2.Task.Stats",
    "containerd.task.v3.Task",
    "containerd.types.Mount",
]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("containerd.task.v2.Task.Stat", "containerd.task.v2.Task.Stats"),
        ("containerd.task.v4.Task", "containerd.task.v3.Task"),
        ("Task", "containerd.task.v2.Task"),
        ("task", "containerd.task.v2.Task"),
        ("mount", "containerd.types.Mount"),
        ("Mont", "containerd.types.Mount"),
        ("containerd.type.Mont", "containerd.types.Mount"),
        ("Stat", "containerd.services.snapshots.v1.Snapshots.Stat"),
    ],
)
def test_the_likeliest_comes_first(name: str, first: str) -> None:
    assert nearest(name, KNOWN)[0] == first


@pytest.mark.parametrize("name", ["", "zzz", ".", "/", "x" * 100_000])
def test_nothing_is_proposed_for_what_is_like_nothing(name: str) -> None:
    assert nearest(name, KNOWN) == []


def test_there_are_three_at_most_and_none_twice() -> None:
    found = nearest("containerd.task.v2.Task.Stat", KNOWN + KNOWN)

    assert len(found) == len(set(found)) == 3
