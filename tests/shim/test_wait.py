"""Wait blocks until the process has ended, or nobody wants to know any more."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.shim.caller import process_spec
from toolkit.errors import DeadlineExceeded, RpcError
from toolkit.rpc.context import Context, Peer
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shim.caller import Caller

MS = 0.001


class Waiter(threading.Thread):
    """One Wait in a thread; ``waiting`` is set when it has begun."""

    def __init__(self, call: Caller, exec_id: str = "") -> None:
        super().__init__()
        self.waiting = threading.Event()
        self.status: int | None = None
        self.error: RpcError | None = None
        self.context = _Watched(call.service["Wait"], Peer("test"), (), None, time.monotonic)
        self.context.looked = self.waiting
        self._call = call
        self._exec_id = exec_id
        self.start()
        self.waiting.wait()

    def run(self) -> None:
        try:
            reply = self._call("Wait", self.context, id="web", exec_id=self._exec_id)
            self.status = reply.exit_status
        except RpcError as exc:
            self.error = exc


class _Watched(Context):
    looked: threading.Event

    def time_remaining(self) -> float | None:
        self.looked.set()
        return super().time_remaining()


def test_wait_blocks_until_the_exit_and_wakes_every_waiter(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    waiters = [Waiter(call) for _ in range(5)]
    assert [waiter.status for waiter in waiters] == [None] * 5

    call("Kill", id="web", signal=signal.SIGKILL)

    for waiter in waiters:
        waiter.join()
    assert [waiter.status for waiter in waiters] == [137] * 5


def test_wait_begun_before_start_ends_with_the_exit(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call("Create", id="web", bundle=str(make_bundle("sh", "-c", "exit 3")))
    waiter = Waiter(call)

    call("Start", id="web")

    waiter.join()
    assert waiter.status == 3


def test_wait_for_an_exec_begun_before_its_start_ends_with_its_exit(
    call: Caller, sleeper: Path
) -> None:
    call.run("web", sleeper)
    call("Exec", id="web", exec_id="extra", spec=process_spec("sh", "-c", "exit 4"))
    waiter = Waiter(call, "extra")

    call("Start", id="web", exec_id="extra")

    waiter.join()
    assert waiter.status == 4


def test_wait_ends_when_what_it_waits_for_is_deleted(call: Caller, sleeper: Path) -> None:
    call("Create", id="web", bundle=str(sleeper))
    waiter = Waiter(call)

    call("Delete", id="web")

    waiter.join()
    assert waiter.status == 137


def test_wait_ends_when_the_shim_closes(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    waiter = Waiter(call)

    call.shim.close()

    waiter.join()
    assert waiter.status == 137


def test_wait_after_the_exit_answers_at_once(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call.run("web", make_bundle("true"))
    call.wait("web")

    assert call.wait("web") == 0


def test_wait_gives_up_when_its_caller_has_gone(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    waiter = Waiter(call)

    waiter.context.cancel()

    waiter.join()
    assert waiter.error is not None
    assert waiter.error.code is Code.CANCELLED


def test_wait_keeps_its_deadline(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    context = call.context("Wait", deadline=time.monotonic() + 20 * MS)

    with pytest.raises(DeadlineExceeded):
        call("Wait", context, id="web")

    assert call("State", id="web").status == 2


def test_other_calls_are_answered_while_one_waits(call: Caller, sleeper: Path) -> None:
    pid = call.run("web", sleeper)
    waiter = Waiter(call)

    state = call("State", id="web")
    call("Kill", id="web", signal=signal.SIGTERM)

    waiter.join()
    assert state.pid == pid
    assert waiter.status == 143
