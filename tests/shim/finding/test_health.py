"""Whether a shim answers, asked in either flavour."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.cli.command import serving
from tests.shim.finding.lookalike import lookalike, unused_namespace
from toolkit.errors import ConnectFailed, DeadlineExceeded, RpcError
from toolkit.shim.finding.ask import ask, ask_all
from toolkit.shim.finding.ask_async import ask_all_async, ask_async
from toolkit.shim.finding.found import Found
from toolkit.shim.finding.health import LIVELY, LIVELY_FOR, Answer, Asking, Health
from toolkit.shim.finding.running import process_state
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = toolkit.load("containerd")
SHORT = 0.2  # seconds, for those that are silent


class Shim:
    """Remembers what it was asked, and in which namespace."""

    def __init__(self, error: RpcError | None = None) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self._error = error

    def Connect(self, request: Any, context: Any) -> Any:
        return self._answer("Connect", request, context, {"shim_pid": 7, "task_pid": 8})

    def State(self, request: Any, context: Any) -> Any:
        return self._answer("State", request, context, {"status": "RUNNING"})

    def _answer(self, name: str, request: Any, context: Any, reply: dict[str, Any]) -> Any:
        namespace = context.metadata.get("containerd-namespace-ttrpc")
        self.calls.append((name, request.id, namespace))
        if self._error is not None:
            raise self._error
        return reply


@pytest.fixture(params=["sync", "asyncio"])
def flavour(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def asked(flavour: str, found: Found, **settings: Any) -> Health:
    settings = {"timeout": 5.0, **settings}
    if flavour == "sync":
        return ask(found, **settings)
    return asyncio.run(ask_async(found, **settings))


def all_asked(flavour: str, shims: list[Found], **settings: Any) -> list[Health]:
    if flavour == "sync":
        return ask_all(shims, **settings)
    return asyncio.run(ask_all_async(shims, **settings))


@contextlib.contextmanager
def shim(version: int, implementation: object) -> Iterator[str]:
    with serving((SCHEMA.service(f"containerd.task.v{version}.Task"), implementation)) as address:
        yield address


@contextlib.contextmanager
def mute(path: Path) -> Iterator[str]:
    """The address of somebody who lets the kernel accept and never reads."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(4096)
        yield f"unix://{path}"


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("said", [None, 2, 3])
def test_a_shim_that_is_well_answers(flavour: str, version: int, said: int | None) -> None:
    implementation = Shim()

    with shim(version, implementation) as address:
        health = asked(flavour, Found("default", "web", task=said, address=address))

    assert (health.answer, health.task, health.error) == (Answer.ANSWERED, version, None)
    assert (health.reply.shim_pid, health.reply.task_pid) == (7, 8)
    assert health.seconds is not None
    assert 0 < health.seconds < 5
    assert implementation.calls == [("Connect", "web", "default")]


def test_other_questions_can_be_asked(flavour: str) -> None:
    with shim(3, Shim()) as address:
        health = asked(flavour, Found("default", "web", address=address), question="State")

    assert health.reply.status == 2


def test_a_status_is_an_answer(flavour: str) -> None:
    with shim(3, Shim(RpcError(Code.NOT_FOUND, "no such container"))) as address:
        health = asked(flavour, Found("default", "web", task=3, address=address))

    assert (health.answer, health.task) == (Answer.ANSWERED, 3)
    assert isinstance(health.error, RpcError)
    assert health.error.message == "no such container"


def test_a_server_without_a_task_service_answers_as_none(flavour: str) -> None:
    with serving() as address:
        health = asked(flavour, Found("default", "web", address=address))

    assert (health.answer, health.task, health.reply) == (Answer.ANSWERED, None, None)


def test_who_does_not_answer_is_silent(flavour: str, tmp_path: Path) -> None:
    with mute(tmp_path / "s") as address:
        started = time.monotonic()
        health = asked(flavour, Found("default", "web", address=address), timeout=SHORT)

    assert (health.answer, health.seconds) == (Answer.SILENT, None)
    assert time.monotonic() - started < SHORT + 1


def test_a_full_backlog_is_silence_too(flavour: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(f"{tmp_path}/s")
        listener.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(f"{tmp_path}/s")
        found = Found("default", "web", address=f"unix://{tmp_path}/s")

        assert asked(flavour, found, timeout=SHORT).answer is Answer.SILENT


def test_a_stale_socket_refuses(flavour: str, tmp_path: Path) -> None:
    with mute(tmp_path / "s") as address:
        pass

    assert asked(flavour, Found("n", "i", address=address)).answer is Answer.REFUSED


def test_a_socket_that_is_not_there_is_gone(flavour: str, tmp_path: Path) -> None:
    health = asked(flavour, Found("n", "i", address=f"unix://{tmp_path}/none"))

    assert health.answer is Answer.GONE
    assert isinstance(health.error, ConnectFailed)


def test_who_hangs_up_is_closed(flavour: str, tmp_path: Path) -> None:
    name = unused_namespace()

    with lookalike(name, "web", bundle=tmp_path, socket=f"{tmp_path}/s", mode="hangup"):
        health = asked(flavour, Found(name, "web", address=f"unix://{tmp_path}/s"))

    assert health.answer is Answer.CLOSED


def test_who_speaks_something_else_is_closed(flavour: str, tmp_path: Path) -> None:
    def greet() -> None:
        with listener.accept()[0] as peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            peer.recv(1000)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        thread = threading.Thread(target=greet)
        thread.start()
        health = asked(flavour, Found("n", "i", address=f"unix://{tmp_path}/s"))
        thread.join()

    assert health.answer is Answer.CLOSED
    assert "does not speak TTRPC" in str(health.error)


@pytest.mark.parametrize("address", ["nonsense", f"unix:///{'x' * 200}", "unix://@"])
def test_an_address_that_is_none_has_failed(flavour: str, address: str) -> None:
    assert asked(flavour, Found("n", "i", address=address)).answer is Answer.FAILED


def test_who_has_no_address_is_not_asked(flavour: str) -> None:
    assert asked(flavour, Found("n", "i")).answer is Answer.UNASKED


def test_who_speaks_grpc_is_not_asked(flavour: str, tmp_path: Path) -> None:
    with mute(tmp_path / "s") as address:
        found = Found("n", "i", address=address, protocol="grpc")

        assert asked(flavour, found).answer is Answer.UNASKED


def test_the_state_of_the_process_is_told(flavour: str, tmp_path: Path) -> None:
    name = unused_namespace()

    with lookalike(name, "web", bundle=tmp_path, socket=f"{tmp_path}/s") as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        found = Found(name, "web", pid=pid, address=f"unix://{tmp_path}/s")
        health = asked(flavour, found, timeout=SHORT)

    assert (health.answer, health.state) == (Answer.SILENT, "T")
    assert process_state(pid) == ""


def test_many_are_asked_at_a_time(flavour: str, tmp_path: Path) -> None:
    implementation = Shim()
    with mute(tmp_path / "s") as silent, shim(3, implementation) as well:
        shims = [
            Found("n", str(number), task=3, address=well if number % 10 == 0 else silent)
            for number in range(200)
        ]
        started = time.monotonic()
        found = all_asked(flavour, shims, timeout=1.0)
        took = time.monotonic() - started

    answers = [health.answer for health in found]
    assert answers == ([Answer.ANSWERED] + [Answer.SILENT] * 9) * 20
    assert took < 5  # one after another they take 180
    assert sorted(int(id) for _, id, _ in implementation.calls) == list(range(0, 200, 10))


def test_nobody_is_asked_where_there_is_nobody(flavour: str) -> None:
    assert all_asked(flavour, []) == []


def test_only_so_many_are_asked_at_a_time(flavour: str, tmp_path: Path) -> None:
    with mute(tmp_path / "s") as silent:
        shims = [Found("n", "i", address=silent)] * 4
        started = time.monotonic()
        all_asked(flavour, shims, timeout=SHORT, at_once=2)

    assert time.monotonic() - started >= 2 * SHORT


@pytest.mark.parametrize("question", ["Kill", "Delete", "Shutdown", "Wait"])
def test_what_is_not_harmless_cannot_be_asked(question: str) -> None:
    with pytest.raises(AssertionError):
        Asking(Found("n", "i"), SCHEMA, now=0, question=question)


def test_the_deadline_is_for_both_calls() -> None:
    asking = Asking(Found("n", "i"), SCHEMA, now=10, timeout=1)

    assert asking.left(10.75) == 0.25
    assert asking.refused(RpcError(Code.UNIMPLEMENTED, "service"), 10.75) is None
    assert asking.method.service.name == "containerd.task.v2.Task"
    assert asking.left(10.75) == 0.25
    assert asking.left(12) > 0


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (Code.UNIMPLEMENTED, "service containerd.task.v3.Task"),
        (Code.NOT_FOUND, "service containerd.task.v3.Task"),
        (Code.INVALID_ARGUMENT, "containerd.task.v3.Task service does not exist"),
        (Code.INVALID_ARGUMENT, "/containerd.task.v3.Task/Connect does not exist"),
    ],
)
def test_every_refusal_of_v3_leads_to_v2(code: Code, message: str) -> None:
    asking = Asking(Found("n", "i"), SCHEMA, now=0)

    assert asking.refused(RpcError(code, message), 0) is None


def test_a_deadline_that_passed_there_is_an_answer() -> None:
    asking = Asking(Found("n", "i", task=3), SCHEMA, now=0)

    health = asking.refused(DeadlineExceeded("context deadline exceeded", by_peer=True), 0.5)

    assert health is not None
    assert (health.answer, health.seconds) == (Answer.ANSWERED, 0.5)


def test_those_that_may_be_about_to_answer_are_few(flavour: str) -> None:
    lock, inside, most = threading.Lock(), 0, 0

    class Slow:
        """Takes a moment, in which it is counted."""

        def Connect(self, request: Any, context: Any) -> dict[str, Any]:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(LIVELY_FOR / 10)
            with lock:
                inside -= 1
            return {}

    with shim(3, Slow()) as address:
        found = all_asked(flavour, [Found("n", "i", task=3, address=address)] * 100)

    assert {health.answer for health in found} == {Answer.ANSWERED}
    assert 1 < most <= LIVELY


def test_leaving_ends_what_was_asked(tmp_path: Path) -> None:
    async def leave(address: str) -> int:
        asking = asyncio.ensure_future(ask_all_async([Found("n", "i", address=address)] * 50))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return len(asyncio.all_tasks())

    with mute(tmp_path / "s") as address:
        assert asyncio.run(leave(address)) == 1
