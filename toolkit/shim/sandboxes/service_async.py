"""The Sandbox service for shim authors: one sandbox in memory, for asyncio servers.

::

    class Pod(AsyncSandboxService):
        async def start(self, request):
            self.process = await asyncio.create_subprocess_exec("pause")
            return self.process.pid

    server.add(schema.service(SANDBOX_SERVICE), Pod(on_shutdown=...))
"""

# ruff: noqa: ARG002  # a handler takes a request and a context, whether it needs them or not

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

from toolkit.shim.sandboxes.life import READY, SANDBOX_SERVICE, SandboxLife

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SANDBOX_SERVICE", "AsyncSandboxService"]


class AsyncSandboxService:
    """``containerd.runtime.sandbox.v1.Sandbox``; override the methods in lower case.

    Attributes:
        life: what has become of the sandbox so far.
    """

    def __init__(self, *, on_shutdown: Callable[[], None] = lambda: None) -> None:
        """``on_shutdown`` is called by ShutdownSandbox, which has to end the shim."""
        self.life = SandboxLife()
        self._on_shutdown = on_shutdown
        self._over = asyncio.Event()
        self._turn = asyncio.Lock()  # one start or stop at a time

    # For shim authors

    async def create(self, request: Any) -> None:
        """Prepare the sandbox; raise an ``RpcError`` where that cannot be done."""

    async def start(self, request: Any) -> int:
        """Start the sandbox; the pid of a process whose namespaces containers join."""
        return os.getpid()

    async def stop(self, timeout: float | None) -> int:
        """Stop the sandbox, within this many seconds; its exit status."""
        return 0

    def platform(self) -> dict[str, str]:
        """What the containers will see."""
        return self.life.platform()

    def info(self) -> dict[str, str]:
        """Details for ``crictl inspectp``; the value of ``info`` has to be JSON."""
        return {}

    async def metrics(self, schema: Any) -> Any:
        """What the sandbox uses, as an Any; None where nothing is measured."""
        return None

    def ended(self, exit_status: int) -> None:
        """Tell that the sandbox has ended by itself; it answers WaitSandbox."""
        self.life.stopped(exit_status, time.time_ns())
        self._over.set()

    # The service

    async def CreateSandbox(self, request: Any, context: Any) -> None:
        """Prepare the sandbox."""
        async with self._turn:
            self.life.check_create(request.sandbox_id)
            await self.create(request)
            self.life.created(request.sandbox_id)

    async def StartSandbox(self, request: Any, context: Any) -> dict[str, Any]:
        """Start it."""
        async with self._turn:
            self.life.check_start(request.sandbox_id)
            pid = await self.start(request)
            return self.life.started(pid, time.time_ns())

    async def Platform(self, request: Any, context: Any) -> dict[str, Any]:
        """What the containers will see."""
        self.life.check(request.sandbox_id)
        return {"platform": self.platform()}

    async def StopSandbox(self, request: Any, context: Any) -> None:
        """Stop it; one that has stopped already is fine."""
        async with self._turn:
            self.life.check(request.sandbox_id)
            if self.life.state == READY:
                self.ended(await self.stop(request.timeout_secs or None))

    async def WaitSandbox(self, request: Any, context: Any) -> dict[str, Any]:
        """Answer when the sandbox has ended."""
        self.life.check(request.sandbox_id)
        await self._over.wait()
        return self.life.end()

    async def SandboxStatus(self, request: Any, context: Any) -> dict[str, Any]:
        """How it is."""
        self.life.check(request.sandbox_id)
        return self.life.status(self.info() if request.verbose else {})

    async def PingSandbox(self, request: Any, context: Any) -> None:
        """Answer."""
        self.life.check(request.sandbox_id)

    async def SandboxMetrics(self, request: Any, context: Any) -> dict[str, Any]:
        """What it uses."""
        self.life.check(request.sandbox_id)
        data = await self.metrics(context.method.service.schema)
        return self.life.metric(data, time.time_ns())

    async def ShutdownSandbox(self, request: Any, context: Any) -> None:
        """Stop it if it runs, and end the shim; also after a CreateSandbox that failed."""
        async with self._turn:
            self.life.check_shutdown(request.sandbox_id)
            if self.life.state == READY:
                self.ended(await self.stop(None))
            self.life.gone()
            self._over.set()
        self._on_shutdown()
