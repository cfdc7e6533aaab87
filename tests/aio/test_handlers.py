"""What is particular to asyncio: the tasks of handlers, cancelling, and coalesced writes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support.echo import ECHO, request_frame
from tests.support.flavours import every_flavour
from toolkit import aio
from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

UNARY, CHAT = ECHO["Unary"], ECHO["Chat"]
FACTORIES = [
    getattr(flavour, "_factory", None) for flavour in every_flavour() if flavour.name != "sync"
]


@pytest.fixture(params=FACTORIES, ids=lambda factory: "uvloop" if factory else "asyncio")
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine to its end, on each loop that there is."""

    def run_to_end(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(coroutine, 10))

    return run_to_end


class Handlers:
    """Whatever a test needs, by the name of the method."""

    def __init__(self, **handlers: Any) -> None:
        self.__dict__.update(handlers)


@contextlib.asynccontextmanager
async def served(**handlers: Any) -> AsyncIterator[aio.Channel]:
    """A channel to a server with these handlers, over a socket pair."""
    server = aio.Server()
    server.add(ECHO, Handlers(**handlers))
    ours, theirs = socket.socketpair()
    serving = asyncio.ensure_future(server.serve_connection(theirs))
    async with aio.connect(ours) as channel:
        yield channel
    await serving


async def _with_timeout(request: Any, context: Any) -> Any:
    async with asyncio.timeout(5 if request.text == "quick" else 0.01):
        await asyncio.sleep(0 if request.text == "quick" else 60)
    return request


async def _with_task_group(request: Any, context: Any) -> Any:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    return {"number": sum(task.result() for task in tasks)}


async def _with_anyio(request: Any, context: Any) -> Any:
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    return {"number": int(scope.cancelled_caught)}


def test_asyncio_timeout_works_in_the_first_line_of_a_handler(run: Any) -> None:
    async def scenario() -> None:
        async with served(Unary=_with_timeout) as channel:
            assert (await channel.call(UNARY, {"text": "quick"})).text == "quick"
            with pytest.raises(RpcError) as caught:
                await channel.call(UNARY, {"text": "slow"})
            assert caught.value.code is Code.DEADLINE_EXCEEDED
            assert (await channel.call(UNARY, {"text": "quick"})).text == "quick"

    run(scenario())


def test_task_groups_and_cancel_scopes_work_in_the_first_line_of_a_handler(run: Any) -> None:
    async def scenario() -> None:
        for handler, number in ((_with_task_group, 3), (_with_anyio, 1)):
            async with served(Unary=handler) as channel:
                replies = await asyncio.gather(*(channel.call(UNARY) for _ in range(20)))
            assert {reply.number for reply in replies} == {number}

    run(scenario())


def test_context_variables_that_a_handler_sets_do_not_reach_the_next_call(run: Any) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def unary(request: Any, context: Any) -> Any:
        seen = variable.get()
        variable.set(request.text)
        return {"text": seen}

    async def scenario() -> None:
        async with served(Unary=unary) as channel:
            calls = [channel.call(UNARY, {"text": str(number)}) for number in range(10)]
            assert {reply.text for reply in await asyncio.gather(*calls)} == {"unset"}

    run(scenario())


def test_cancelling_the_task_ends_its_call_and_no_other(run: Any) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def unary(request: Any, context: Any) -> Any:
        if request.text == "wait":
            entered.set()
            await release.wait()
        return request

    async def scenario() -> None:
        async with served(Unary=unary) as channel:
            waiting = asyncio.ensure_future(channel.call(UNARY, {"text": "wait"}))
            await entered.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert channel._session.wire.streams == {}
            assert (await channel.call(UNARY, {"text": "next"})).text == "next"
            release.set()

    run(scenario())


@pytest.mark.parametrize("how", ["deadline", "client gone"])
def test_point_24_a_handler_is_cancelled_and_its_server_goes_on(run: Any, how: str) -> None:
    cancelled = asyncio.Event()

    async def unary(request: Any, context: Any) -> Any:
        if request.text == "wait":
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                assert context.cancelled
                cancelled.set()
                raise
        return request

    async def scenario() -> None:
        async with served(Unary=unary) as channel:
            call = channel.call(
                UNARY, {"text": "wait"}, timeout=0.05 if how == "deadline" else None
            )
            waiting = asyncio.ensure_future(call)
            await asyncio.sleep(0.01)
            if how == "deadline":
                await asyncio.wait([waiting])
                assert (await channel.call(UNARY, {"text": "next"})).text == "next"
            else:
                channel.close()
                await asyncio.wait([waiting])
            assert waiting.exception() is not None
            await cancelled.wait()

    run(scenario())


def test_all_calls_of_one_turn_go_out_in_one_write(run: Any) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        theirs.settimeout(5)
        async with aio.connect(ours) as channel:
            calls = [asyncio.ensure_future(channel.call(UNARY)) for _ in range(20)]
            await asyncio.sleep(0.01)
            sent = theirs.recv(1 << 16)
            assert channel.counters.frames_sent == 20
            assert len(sent) == channel.counters.bytes_sent
            for call in calls:
                call.cancel()
        theirs.close()

    run(scenario())


def test_replies_of_one_read_go_out_in_one_write(run: Any) -> None:
    async def unary(request: Any, context: Any) -> Any:
        return request

    async def scenario() -> bytes:
        server = aio.Server()
        server.add(ECHO, Handlers(Unary=unary))
        ours, theirs = socket.socketpair()
        ours.sendall(b"".join(request_frame(number) for number in range(1, 41, 2)))
        serving = asyncio.ensure_future(server.serve_connection(theirs))
        await asyncio.sleep(0.05)
        replies = ours.recv(1 << 16)
        ours.close()
        await serving
        return replies

    assert len(run(scenario())) == 20 * 10


def test_a_handler_may_shut_its_server_down(run: Any) -> None:
    async def scenario() -> None:
        server = aio.Server()

        async def unary(request: Any, context: Any) -> Any:
            assert await server.shutdown(5) == 0
            return request

        server.add(ECHO, Handlers(Unary=unary))
        ours, theirs = socket.socketpair()
        serving = asyncio.ensure_future(server.serve_connection(theirs))
        async with aio.connect(ours) as channel:
            assert (await channel.call(UNARY, {"text": "last"}, timeout=2)).text == "last"
        await serving

    run(scenario())
