"""The tasks that run the handlers of one connection.

A task for each call would cost half as much again as the call itself. So a few long-lived tasks
run queued calls one after the other, for as long as no handler has to wait; when one does, the
next task takes over. Every handler so has a current task of its own, and ``asyncio.timeout``,
``TaskGroup`` and anyio's cancel scopes work in its first line.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from toolkit.rpc.dispatch import IncomingCall

__all__ = ["Workers"]

MAX_IDLE = 16  # tasks that are kept for the next time many handlers wait at once


class Workers:
    """Runs each call that it is given, soon and in order.

    Args:
        answer: runs the handler of a call; it raises nothing but ``CancelledError``.
    """

    def __init__(self, answer: Callable[[IncomingCall], Awaitable[None]]) -> None:
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._queue: deque[IncomingCall] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: dict[IncomingCall, asyncio.Task[None]] = {}
        self._checking = False

    def run(self, calls: list[IncomingCall]) -> None:
        """Queue these calls."""
        self._queue += calls
        self._wake()

    def cancel(self, call: IncomingCall) -> None:
        """Cancel the task of a call; one that is still queued is not begun."""
        task = self._running.get(call)
        if task is not None:
            task.cancel()

    def has(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether a task is one of these, so that whoever runs in it is a handler."""
        return task in self._tasks

    def close(self) -> None:
        """Begin no more calls, cancel those that run, and end every task."""
        self._queue.clear()
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Wait until every task has ended."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        if tasks:
            await asyncio.wait(tasks)

    def _wake(self) -> None:
        """Have one task run the queue, and look afterwards whether it had to wait."""
        if self._checking:
            return
        self._checking = True
        while self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(None)
                break
        else:
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._loop.call_soon(self._check)

    def _check(self) -> None:
        # The task that was woken has had its turn; what is still queued is there because it waits.
        self._checking = False
        if self._queue:
            self._wake()

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        context = contextvars.copy_context()
        while True:
            while self._queue:
                call = self._queue.popleft()
                if call.stream.finished:
                    continue
                self._running[call] = task
                try:
                    await self._answer(call)
                finally:
                    del self._running[call]
                if task.cancelling() or contextvars.copy_context() != context:
                    # What a cancelled handler did to its task, and the context variables that a
                    # handler leaves set, are not for the next call.
                    return
            if len(self._idle) >= MAX_IDLE:
                return
            waiter = self._loop.create_future()
            self._idle.append(waiter)
            await waiter
