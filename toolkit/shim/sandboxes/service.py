"""The Sandbox service for shim authors: one sandbox in memory, for blocking servers.

::

    class Pod(SandboxService):
        def start(self, request):
            self.process = subprocess.Popen(["pause"])
            return self.process.pid

        def stop(self, timeout):
            self.process.terminate()
            return self.process.wait()

    server.add(schema.service(SANDBOX_SERVICE), Pod(on_shutdown=...))
"""

# ruff: noqa: ARG002  # a handler takes a request and a context, whether it needs them or not

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from toolkit.errors import DeadlineExceeded, RpcError
from toolkit.shim.sandboxes.life import READY, SANDBOX_SERVICE, SandboxLife
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SANDBOX_SERVICE", "SandboxService"]

_GLANCE = 0.25  # seconds after which a WaitSandbox looks whether its caller has gone


class SandboxService:
    """``containerd.runtime.sandbox.v1.Sandbox``; override the methods in lower case.

    Attributes:
        life: what has become of the sandbox so far.
    """

    def __init__(self, *, on_shutdown: Callable[[], None] = lambda: None) -> None:
        """``on_shutdown`` is called by ShutdownSandbox, which has to end the shim."""
        self.life = SandboxLife()
        self._on_shutdown = on_shutdown
        self._changed = threading.Condition()  # guards life
        self._turn = threading.Lock()  # one start or stop at a time

    # For shim authors

    def create(self, request: Any) -> None:
        """Prepare the sandbox; raise an ``RpcError`` where that cannot be done."""

    def start(self, request: Any) -> int:
        """Start the sandbox; the pid of a process whose namespaces containers join."""
        return os.getpid()

    def stop(self, timeout: float | None) -> int:
        """Stop the sandbox, within this many seconds; its exit status."""
        return 0

    def platform(self) -> dict[str, str]:
        """What the containers will see."""
        return self.life.platform()

    def info(self) -> dict[str, str]:
        """Details for ``crictl inspectp``; the value of ``info`` has to be JSON."""
        return {}

    def metrics(self, schema: Any) -> Any:
        """What the sandbox uses, as an Any; None where nothing is measured."""
        return None

    def ended(self, exit_status: int) -> None:
        """Tell that the sandbox has ended by itself; it answers WaitSandbox."""
        with self._changed:
            self.life.stopped(exit_status, time.time_ns())
            self._changed.notify_all()

    # The service

    def CreateSandbox(self, request: Any, context: Any) -> None:
        """Prepare the sandbox."""
        with self._turn:
            self.life.check_create(request.sandbox_id)
            self.create(request)
            self.life.created(request.sandbox_id)

    def StartSandbox(self, request: Any, context: Any) -> dict[str, Any]:
        """Start it."""
        with self._turn:
            self.life.check_start(request.sandbox_id)
            pid = self.start(request)
            with self._changed:
                return self.life.started(pid, time.time_ns())

    def Platform(self, request: Any, context: Any) -> dict[str, Any]:
        """What the containers will see."""
        self.life.check(request.sandbox_id)
        return {"platform": self.platform()}

    def StopSandbox(self, request: Any, context: Any) -> None:
        """Stop it; one that has stopped already is fine."""
        with self._turn:
            self.life.check(request.sandbox_id)
            if self.life.state == READY:
                self.ended(self.stop(request.timeout_secs or None))

    def WaitSandbox(self, request: Any, context: Any) -> dict[str, Any]:
        """Answer when the sandbox has ended."""
        with self._changed:
            self.life.check(request.sandbox_id)
            while not self.life.over:
                left = context.time_remaining()
                if left == 0:
                    raise DeadlineExceeded(f"sandbox {request.sandbox_id!r} still runs")
                if context.cancelled:
                    raise RpcError(Code.CANCELLED, "the caller has gone")
                self._changed.wait(_GLANCE if left is None else min(left, _GLANCE))
            return self.life.end()

    def SandboxStatus(self, request: Any, context: Any) -> dict[str, Any]:
        """How it is."""
        with self._changed:
            self.life.check(request.sandbox_id)
            return self.life.status(self.info() if request.verbose else {})

    def PingSandbox(self, request: Any, context: Any) -> None:
        """Answer."""
        self.life.check(request.sandbox_id)

    def SandboxMetrics(self, request: Any, context: Any) -> dict[str, Any]:
        """What it uses."""
        self.life.check(request.sandbox_id)
        data = self.metrics(context.method.service.schema)
        return self.life.metric(data, time.time_ns())

    def ShutdownSandbox(self, request: Any, context: Any) -> None:
        """Stop it if it runs, and end the shim; also after a CreateSandbox that failed."""
        with self._turn:
            self.life.check_shutdown(request.sandbox_id)
            if self.life.state == READY:
                self.ended(self.stop(None))
            with self._changed:
                self.life.gone()
                self._changed.notify_all()
        self._on_shutdown()
