"""Channels to shims by their names."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import serving
from tests.shim.finding.lookalike import Bundle, lookalike, unused_namespace
from toolkit.errors import AddressError, ConnectFailed
from toolkit.shim.finding.connecting import ShimNotFound, connect, connect_async, find, split_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASK = toolkit.load("containerd").service("containerd.task.v3.Task")


class Task:
    """Says in which namespaces it was called."""

    def __init__(self) -> None:
        self.namespaces: list[Any] = []

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        self.namespaces.append(context.metadata.get_all("containerd-namespace-ttrpc"))
        return {"id": request.id, "status": "RUNNING"}


@pytest.fixture
def namespace() -> str:
    return unused_namespace()


@pytest.fixture
def task() -> Task:
    return Task()


@pytest.fixture
def state(tmp_path: Path, namespace: str, task: Task) -> Iterator[Path]:
    """A state folder with one shim, web."""
    with serving((TASK, task)) as address:
        Bundle(tmp_path, namespace, "web").says(address)
        yield tmp_path


def test_calls_go_in_the_namespace(state: Path, namespace: str, task: Task) -> None:
    with connect(namespace, "web", state=state, timeout=5) as channel:
        reply = channel.client(TASK).State(id="web")

    assert reply.id == "web"
    assert list(task.namespaces) == [[namespace]]


def test_calls_of_asyncio_do_too(state: Path, namespace: str, task: Task) -> None:
    async def call() -> Any:
        async with connect_async(namespace, "web", state=state, timeout=5) as channel:
            return await channel.client(TASK).State(id="web")

    assert asyncio.run(call()).id == "web"
    assert list(task.namespaces) == [[namespace]]


def test_a_call_may_name_another_namespace(state: Path, namespace: str, task: Task) -> None:
    other = {"containerd-namespace-ttrpc": "other"}

    with connect(namespace, "web", state=state, timeout=5) as channel:
        channel.call(TASK["State"], {"id": "web"}, metadata=other)

    assert list(task.namespaces) == [["other"]]


def test_a_slip_in_the_id_gets_the_nearest_ones(state: Path, namespace: str) -> None:
    with pytest.raises(ShimNotFound, match=f"did you mean {namespace}/web") as caught:
        connect(namespace, "wed", state=state)

    assert caught.value.nearest == (f"{namespace}/web",)
    assert isinstance(caught.value, LookupError)


def test_a_slip_in_the_namespace_gets_the_right_one(state: Path, namespace: str) -> None:
    with pytest.raises(ShimNotFound, match=f"did you mean {namespace}/web"):
        connect("default", "web", state=state)


def test_where_there_is_nothing_like_it_ps_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShimNotFound, match="ttrpc ps"):
        connect("default", "web", state=tmp_path)


def test_the_start_of_an_id_will_do_where_that_is_allowed(state: Path, namespace: str) -> None:
    assert find(namespace, "w", state=state, prefix=True).id == "web"

    with pytest.raises(ShimNotFound):
        find(namespace, "w", state=state)


def test_the_start_of_several_ids_names_them(state: Path, namespace: str) -> None:
    Bundle(state, namespace, "web2").says("unix:///none")

    assert find(namespace, "web", state=state, prefix=True).id == "web"
    with pytest.raises(ShimNotFound, match="it may be web or web2"):
        find(namespace, "we", state=state, prefix=True)


def test_of_one_that_died_and_one_that_lives_it_is_the_latter(
    tmp_path: Path, namespace: str
) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/dead").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        assert find(namespace, "web", state=tmp_path).pid == pid


def test_two_that_live_are_both_named(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").path

    with (
        lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/a") as first,
        lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/b") as second,
        pytest.raises(ShimNotFound, match="there are 2") as caught,
    ):
        connect(namespace, "web", state=tmp_path)

    for path, pid in [("a", first), ("b", second)]:
        assert f"unix://{tmp_path}/{path} (pid {pid})" in str(caught.value)


def test_one_that_died_cannot_be_connected_to(tmp_path: Path, namespace: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/s")
    Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s")

    with pytest.raises(ConnectFailed, match="nobody listens there"):
        connect(namespace, "web", state=tmp_path)


def test_a_bundle_of_garbage_says_why(tmp_path: Path, namespace: str) -> None:
    (Bundle(tmp_path, namespace, "web").path / "bootstrap.json").write_text("garbage")

    with pytest.raises(ShimNotFound, match="bootstrap.json holds b'garbage'"):
        connect(namespace, "web", state=tmp_path)


def test_one_that_speaks_grpc_is_not_connected_to(tmp_path: Path, namespace: str) -> None:
    Bundle(tmp_path, namespace, "web").says("unix:///s", protocol="grpc")

    with pytest.raises(ShimNotFound, match="it speaks grpc, not ttrpc"):
        connect(namespace, "web", state=tmp_path)


def test_a_name_is_taken_apart() -> None:
    assert split_name("shim://k8s.io/abc") == ("k8s.io", "abc")


@pytest.mark.parametrize(
    "text", ["shim://", "shim://web", "shim:///web", "shim://default/", "shim://a/b/c", "a/b"]
)
def test_a_name_without_its_parts_is_none(text: str) -> None:
    with pytest.raises(AddressError, match="shim://default/web"):
        split_name(text)


def test_it_can_be_found_from_many_threads(state: Path, namespace: str) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(find(namespace, "web", state=state).id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["web"] * 8
