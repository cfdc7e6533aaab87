"""The calls of the examples of the crate ``containerd-shim-protos``, with us on either side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.interop import foreign, ours
from tests.interop.foreign import SHIM_PROTOS
from tests.interop.matrix import beside
from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.interop.foreign import ForeignServer, Peer
    from tests.support.flavours import Flavour

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60), beside(SHIM_PROTOS)]

TASK = toolkit.load("containerd").service("containerd.task.v3.Task")
OLD_TASK = toolkit.load("containerd").service("containerd.task.v2.Task")
TASK_ID, TASK_PID = "id1", 0x10C0
LIMIT = 10.0
# What the crate's example client sends with Create, and its example server wants.
METADATA = {"key-1": ["value-1-1", "value-1-2"], "key-2": "value-2"}


@pytest.fixture
def server(foreign_servers: Callable[[Peer], ForeignServer]) -> ForeignServer:
    """The crate's task service."""
    return foreign_servers(SHIM_PROTOS)


@pytest.fixture
def task(flavour: Flavour, server: ForeignServer) -> Iterator[Any]:
    """Our client of it."""
    with flavour.connect(server.address, timeout=5) as channel:
        yield channel.client(TASK)


def test_point_36_create_with_metadata_gives_the_pid(task: Any) -> None:
    assert task.Create({"id": TASK_ID}, metadata=METADATA, timeout=LIMIT).pid == TASK_PID


def test_create_without_the_metadata_is_refused(task: Any) -> None:
    with pytest.raises(RpcError, match="INVALID_ARGUMENT: the metadata is"):
        task.Create(id=TASK_ID, timeout=LIMIT)


def test_connect_says_who_serves(task: Any, server: ForeignServer) -> None:
    reply = task.Connect(id=TASK_ID, timeout=LIMIT)

    assert (reply.shim_pid, reply.task_pid) == (server.process.pid, TASK_PID)
    assert reply.version == "interop"


def test_shutdown_gets_its_empty_reply(task: Any) -> None:
    assert task.Shutdown(id=TASK_ID, now=True, timeout=LIMIT).ByteSize() == 0


@pytest.mark.parametrize("name", sorted({"Delete", "State", "Wait", "Stats"}))
def test_what_the_service_did_not_write_is_not_found(task: Any, name: str) -> None:
    # The crate's trait answers what is not overridden with NOT_FOUND (codegen.rs).
    with pytest.raises(RpcError) as caught:
        getattr(task, name)(id=TASK_ID, timeout=LIMIT)

    assert caught.value.code is Code.NOT_FOUND


def test_the_older_service_is_an_argument_that_makes_no_sense(
    flavour: Flavour, server: ForeignServer
) -> None:
    # Rust async/server.rs has INVALID_ARGUMENT for a service that it does not know.
    with (
        flavour.connect(server.address, timeout=5) as channel,
        pytest.raises(RpcError) as caught,
    ):
        channel.call(OLD_TASK["Connect"], {"id": TASK_ID}, timeout=LIMIT)

    assert caught.value.code is Code.INVALID_ARGUMENT


def _create(request: Any, context: Any) -> dict[str, Any]:
    if request.id != TASK_ID:
        raise RpcError(Code.INVALID_ARGUMENT, f"the task is {TASK_ID!r}, not {request.id!r}")
    if context.metadata.get_all("key-1") != ["value-1-1", "value-1-2"]:
        raise RpcError(Code.INVALID_ARGUMENT, f"the metadata is {context.metadata.items()}")
    return {"pid": TASK_PID}


def _connect(request: Any, context: Any) -> dict[str, Any]:
    return {"shim_pid": 1, "task_pid": TASK_PID, "version": "ours"}


class SyncTask:
    """A task service with threads; it has no Delete."""

    def Create(self, request: Any, context: Any) -> Any:
        return _create(request, context)

    def Connect(self, request: Any, context: Any) -> Any:
        return _connect(request, context)

    def Shutdown(self, request: Any, context: Any) -> None:
        return None


class AioTask:
    """The same for asyncio."""

    async def Create(self, request: Any, context: Any) -> Any:
        return _create(request, context)

    async def Connect(self, request: Any, context: Any) -> Any:
        return _connect(request, context)

    async def Shutdown(self, request: Any, context: Any) -> None:
        return None


def test_point_36_the_crates_client_gets_its_answers_from_us(flavour: Flavour) -> None:
    service = SyncTask() if flavour.name == "sync" else AioTask()
    with ours.serving(flavour.name, TASK, service) as address:
        create, connect, delete, shutdown = foreign.scenarios(SHIM_PROTOS, address)

    assert (create["ok"], create["values"]) == (True, {"pid": TASK_PID})
    assert connect["values"] == {"shim_pid": 1, "task_pid": TASK_PID, "version": "ours"}
    assert (delete["code"], delete["message"]) == (12, "method Delete")
    assert shutdown["ok"]
