"""Reflection over TTRPC: each flavour's server, asked by each flavour's client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import toolkit
from tests.support.echo import ECHO, schema
from tests.support.flavours import AioFlavour, SyncFlavour
from toolkit import aio, reflection, sync
from toolkit.errors import ConnectionClosed, NoSchema, RpcError, SchemaError
from toolkit.reflection.protocol import NONE, TWIN, V1, V1ALPHA, services
from toolkit.schema.compare import differences
from toolkit.status import Code

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterator

    from toolkit.schema.pool import Schema

T = TypeVar("T")
OWN = sorted([V1, V1ALPHA, TWIN])
every_server = pytest.mark.parametrize("server", ["sync", "aio"])
every_client = pytest.mark.parametrize("client", ["sync", "aio"])
every_kind = pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])


class Echo:
    def Unary(self, request: Any, context: Any) -> Any:
        return request


class AsyncEcho:
    async def Unary(self, request: Any, context: Any) -> Any:
        return request


def served(server: str, address: str, use: Callable[[str], T], *, reflect: bool = True) -> T:
    """What a function makes of a server's address while it runs."""
    if server == "sync":
        with SyncFlavour().serving(address, {ECHO: Echo()}) as (serving, bound):
            if reflect:
                reflection.enable(serving)
            return use(bound)

    async def run() -> T:
        serving = aio.Server()
        serving.add(ECHO, AsyncEcho())
        if reflect:
            reflection.enable(serving)
        async with serving.listen(address):
            return await asyncio.to_thread(use, address)

    return asyncio.run(run())


def load(client: str, address: str, **options: Any) -> Schema:
    if client == "sync":
        with sync.connect(address, timeout=5) as channel:
            return reflection.load(channel, **options)

    async def run() -> Schema:
        async with aio.connect(address, timeout=5) as channel:
            return await reflection.load_async(channel, **options)

    return asyncio.run(run())


@every_server
@every_client
@every_kind
def test_a_server_s_schema_comes_over(server: str, client: str, stream: bool, address: str) -> None:
    found = served(server, address, lambda bound: load(client, bound, stream=stream))

    assert {service.name for service in found.services()} >= {*OWN, ECHO.name}
    added = [one for one in differences(schema, found) if "reflection" not in one.symbol]
    assert [one.text for one in added if one.kind != "removed"] == []


@every_server
def test_what_came_over_can_be_called(server: str, address: str) -> None:
    def use(bound: str) -> Any:
        with sync.connect(bound, timeout=5) as channel:
            found = reflection.load(channel)
            return channel.call(found.service(ECHO.name)["Unary"], {"text": "a"}, timeout=5)

    assert served(server, address, use).text == "a"


@every_server
@every_client
@every_kind
def test_a_server_without_reflection_says_so_and_serves_on(
    server: str, client: str, stream: bool, address: str
) -> None:
    def use(bound: str) -> str:
        with pytest.raises(NoSchema) as caught:
            load(client, bound, stream=stream)
        with sync.connect(bound, timeout=5) as channel:
            assert channel.call(ECHO["Unary"], {"text": "a"}, timeout=5).text == "a"
        return str(caught.value)

    assert "has no reflection" in served(server, address, use, reflect=False)


class V1AlphaOnly:
    """As an older server has it."""

    def __init__(self) -> None:
        from toolkit.reflection.answers import Answers

        self._answers = Answers([ECHO])

    def ServerReflectionInfo(self, requests: Any, context: Any) -> Iterator[Any]:
        for request in requests:
            yield self._answers.answer(request)


def serving(name: str, implementation: object) -> contextlib.AbstractContextManager[Any]:
    """A server of one of the reflection services."""
    service = next(one for one in services() if one.name == name)
    return SyncFlavour().serving("unix://@ttrpc-test-reflection", {service: implementation})


@every_client
def test_v1alpha_is_asked_where_v1_is_not(client: str) -> None:
    with serving(V1ALPHA, V1AlphaOnly()) as (_, address):
        found = load(client, address, stream=True)

    assert found.service(ECHO.name)["Unary"].name == "Unary"


class Failing:
    """Refuses with a code."""

    def __init__(self, code: Code) -> None:
        self.code = code

    def ServerReflectionInfo(self, request: Any, context: Any) -> Any:
        raise RpcError(self.code, "no")


@every_client
@pytest.mark.parametrize("code", sorted(NONE))
def test_what_other_servers_say_of_an_unknown_service_is_no_reflection(
    client: str, code: Code
) -> None:
    with serving(TWIN, Failing(code)) as (_, address), pytest.raises(NoSchema, match=code.name):
        load(client, address)


@every_client
def test_any_other_refusal_is_passed_on(client: str) -> None:
    refusing = serving(TWIN, Failing(Code.PERMISSION_DENIED))
    with refusing as (_, address), pytest.raises(RpcError) as caught:
        load(client, address)

    assert caught.value.code is Code.PERMISSION_DENIED


class Ending:
    """Ends the stream before it has answered."""

    def ServerReflectionInfo(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from ()


@every_client
def test_a_stream_that_ends_early_is_an_error(client: str) -> None:
    with serving(V1, Ending()) as (_, address), pytest.raises(SchemaError, match="ended the str"):
        load(client, address, stream=True)


class Endless:
    """Every file imports one more."""

    def ServerReflectionInfo(self, request: Any, context: Any) -> Any:
        from google.protobuf.descriptor_pb2 import FileDescriptorProto

        if request.list_services:
            return {"list_services_response": {"service": [{"name": "a.S"}]}}
        number = int(request.file_by_filename.removesuffix(".proto") or 0)
        file = FileDescriptorProto(name=f"{number}.proto", dependency=[f"{number + 1}.proto"])
        return {"file_descriptor_response": {"file_descriptor_proto": [file.SerializeToString()]}}


@every_client
def test_a_server_that_answers_forever_is_given_up_in_time(client: str) -> None:
    late = pytest.raises(SchemaError, match=r"no end of it within 0\.2 s")
    with serving(TWIN, Endless()) as (_, address), late:
        load(client, address, timeout=0.2)


class Gone:
    """Hangs up in mid-answer."""

    def __init__(self) -> None:
        self.server: Any = None

    def ServerReflectionInfo(self, request: Any, context: Any) -> Any:
        self.server.close()


@every_client
def test_a_server_that_hangs_up_is_a_lost_connection(client: str) -> None:
    gone = Gone()
    with serving(TWIN, gone) as (gone.server, address), pytest.raises(ConnectionClosed):
        load(client, address)


class Runtime:
    def RegisterPlugin(self, request: Any, context: Any) -> None:
        pass


class AsyncRuntime:
    async def RegisterPlugin(self, request: Any, context: Any) -> None:
        pass


@every_server
def test_a_service_that_is_added_later_is_told_of(server: str, address: str) -> None:
    later = toolkit.load("nri").service("nri.pkg.api.v1alpha1.Runtime")
    chosen = AioFlavour() if server == "aio" else SyncFlavour()

    with chosen.serving(address, {ECHO: Echo()}) as (serving, bound):
        made: Any = getattr(serving, "_server", serving)
        reflection.enable(made)
        load("sync", bound)
        made.add(later, AsyncRuntime() if server == "aio" else Runtime())

        assert load("sync", bound).service(later.name)["RegisterPlugin"].name == "RegisterPlugin"


@every_server
def test_a_service_that_clashes_is_refused_and_not_served(server: str) -> None:
    made = sync.Server() if server == "sync" else aio.Server()
    made.add(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"), Task())
    reflection.enable(made)
    old = toolkit.load("containerd@1.6").service("containerd.task.v2.Task")

    with pytest.raises(SchemaError, match="cannot be reflected by one server"):
        made.add(old, Task())

    assert old not in made.services


class Task:
    def State(self, request: Any, context: Any) -> None:
        pass


@every_server
def test_services_that_clash_already_leave_the_server_as_it_was(server: str) -> None:
    made = sync.Server() if server == "sync" else aio.Server()
    made.add(toolkit.load("containerd@2.3").service("containerd.task.v3.Task"), Task())
    made.add(toolkit.load("containerd@1.6").service("containerd.task.v2.Task"), Task())

    with pytest.raises(SchemaError, match="cannot be reflected by one server"):
        reflection.enable(made)

    assert [one.name for one in made.services] == [
        "containerd.task.v2.Task",
        "containerd.task.v3.Task",
    ]


@every_server
def test_enabling_it_twice_is_an_error(server: str) -> None:
    made = sync.Server() if server == "sync" else aio.Server()
    reflection.enable(made)

    with pytest.raises(SchemaError, match="served already"):
        reflection.enable(made)
