"""``shim://NAMESPACE/ID`` as an ADDRESS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import serving, ttrpc
from tests.shim.finding.lookalike import Bundle, lookalike, unused_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = toolkit.load("containerd")


class Task:
    """Remembers the requests and their namespaces."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        self.calls.append((request.id, context.metadata.get("containerd-namespace-ttrpc")))
        if request.id == "none":
            raise toolkit.RpcError(toolkit.Code.NOT_FOUND, "no such container")
        return {"id": request.id, "status": "RUNNING"}


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def namespace(tmp_path: Path, task: Task) -> Iterator[str]:
    """The namespace of a shim, web, that a lookalike has made known."""
    name = unused_namespace()
    db = Bundle(tmp_path, name, "db").says(f"unix://{tmp_path}/d").path
    with (
        serving((SCHEMA.service("containerd.task.v2.Task"), task)) as address,
        lookalike(name, "db", bundle=db, socket=f"{tmp_path}/d"),
    ):
        for id in ("web", "none"):
            Bundle(tmp_path, name, id).says(address, version=2)
        yield name


def test_a_call_goes_to_the_shim_with_its_namespace_and_id(namespace: str, task: Task) -> None:
    outcome = ttrpc("call", f"shim://{namespace}/web", "State")

    assert outcome.code == 0, outcome.err
    assert '"status": "RUNNING"' in outcome.out
    assert task.calls == [("web", namespace)]


def test_what_is_given_counts(namespace: str, task: Task) -> None:
    address = f"shim://{namespace}/web"

    ttrpc("call", address, "State", "-d", '{"id": "db"}', "-n", "other")
    ttrpc("call", address, "State", "-d", "{}", "-H", "containerd-namespace-ttrpc: third")

    assert task.calls == [("db", "other"), ("", "third")]


def test_the_start_of_an_id_is_the_whole(namespace: str, task: Task) -> None:
    assert ttrpc("call", f"shim://{namespace}/we", "State").code == 0

    assert task.calls == [("web", namespace)]


def test_verbose_says_what_was_filled_in(namespace: str) -> None:
    outcome = ttrpc("call", f"shim://{namespace}/web", "State", "-v")

    assert 'Request, without -d, by the address:\n{"id": "web"}' in outcome.err
    assert f"containerd-namespace-ttrpc: {namespace}" in outcome.err


def test_a_refusal_does_not_call_the_request_empty(namespace: str) -> None:
    outcome = ttrpc("call", f"shim://{namespace}/none", "State")

    assert outcome.code == 64 + 5
    assert "no -d" not in outcome.err


def test_a_request_without_an_id_is_left_alone(namespace: str) -> None:
    outcome = ttrpc("call", f"shim://{namespace}/web", "containerd.task.v2.Task/Connect", "-v")
    stats = ttrpc("call", f"shim://{namespace}/web", "grpc.Health/Check", "-s", "kata", "-v")

    assert "by the address" in outcome.err
    assert "by the address" not in stats.err


def test_other_verbs_take_it_too(namespace: str) -> None:
    outcome = ttrpc("list", f"shim://{namespace}/web")

    assert outcome.code == 0, outcome.err
    assert "containerd.task.v2.Task" in outcome.out


def test_nobody_of_that_name(namespace: str) -> None:
    outcome = ttrpc("call", f"shim://{namespace}/wed", "State")

    assert outcome.code == 1
    assert f"no shim {namespace}/wed; did you mean {namespace}/web" in outcome.err


def test_a_name_without_an_id() -> None:
    outcome = ttrpc("call", "shim://web", "State")

    assert outcome.code == 1
    assert "a shim's is shim://NAMESPACE/ID" in outcome.err


def test_nobody_can_serve_there(namespace: str) -> None:
    outcome = ttrpc("serve", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert "'shim' is none of unix" in outcome.err
