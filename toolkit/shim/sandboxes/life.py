"""The life of a shim's one sandbox: what may follow what, and what there is to tell about it."""

from __future__ import annotations

import os
from typing import Any

from toolkit.errors import RpcError
from toolkit.status import Code

__all__ = ["NOT_READY", "READY", "SANDBOX_SERVICE", "SandboxLife"]

SANDBOX_SERVICE = "containerd.runtime.sandbox.v1.Sandbox"
# As CRI spells them; the CRI plugin takes any other text for not ready.
READY = "SANDBOX_READY"
NOT_READY = "SANDBOX_NOTREADY"

# What Go calls a machine that the kernel calls otherwise, and its variant.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "loongarch64": ("loong64", ""),
}


class SandboxLife:
    """Not locked: the flavour sees to that.

    Attributes:
        id: the sandbox's; empty before CreateSandbox.
        pid: of its process; 0 before StartSandbox.
        state: ``READY`` while it runs, else ``NOT_READY``.
        over: whether it has been stopped, or is gone.
    """

    def __init__(self) -> None:
        self.id = ""
        self.pid = 0
        self.state = NOT_READY
        self.over = False
        self._created: dict[str, int] | None = None
        self._exited: dict[str, int] | None = None
        self._exit_status = 0

    def check(self, id: str) -> None:
        """See whether it is this sandbox.

        Raises:
            RpcError: NOT_FOUND.
        """
        if not self.id or id != self.id:
            raise RpcError(Code.NOT_FOUND, f"there is no sandbox {id!r} here")

    def check_create(self, id: str) -> None:
        """See whether it may be created.

        Raises:
            RpcError: ALREADY_EXISTS, INVALID_ARGUMENT.
        """
        if not id:
            raise RpcError(Code.INVALID_ARGUMENT, "sandbox_id is empty")
        if self.id:
            raise RpcError(Code.ALREADY_EXISTS, f"this shim has the sandbox {self.id!r}")

    def check_start(self, id: str) -> None:
        """See whether it may be started.

        Raises:
            RpcError: NOT_FOUND, FAILED_PRECONDITION.
        """
        self.check(id)
        if self.state == READY or self.over:
            done = "has ended" if self.over else "runs already"
            raise RpcError(Code.FAILED_PRECONDITION, f"sandbox {id!r} {done}")

    def check_shutdown(self, id: str) -> None:
        """See whether it is this sandbox, or none: containerd asks also after a failed create.

        Raises:
            RpcError: NOT_FOUND, it is another one.
        """
        if self.id:
            self.check(id)

    def created(self, id: str) -> None:
        """It is prepared."""
        self.id = id

    def started(self, pid: int, now_nano: int) -> dict[str, Any]:
        """It runs; the reply."""
        self.pid = pid
        if not self.over:  # its process may have ended in the meantime
            self.state = READY
        self._created = _timestamp(now_nano)
        return {"pid": pid, "created_at": self._created}

    def stopped(self, exit_status: int, now_nano: int) -> None:
        """It has ended; the first end counts."""
        if self.over:
            return
        self.state = NOT_READY
        self.over = True
        self._exit_status = exit_status
        self._exited = _timestamp(now_nano)

    def gone(self) -> None:
        """There is no sandbox any more."""
        self.id = ""
        self.over = True
        self.state = NOT_READY

    def end(self) -> dict[str, Any]:
        """How it ended: WaitSandbox's reply."""
        return {"exit_status": self._exit_status, "exited_at": self._exited}

    def status(self, info: dict[str, str]) -> dict[str, Any]:
        """How it is: SandboxStatus's reply."""
        return {
            "sandbox_id": self.id,
            "pid": self.pid,
            "state": self.state,
            "info": info,
            "created_at": self._created,
            "exited_at": self._exited,
        }

    def metric(self, data: Any, now_nano: int) -> dict[str, Any]:
        """What it uses: SandboxMetrics's reply; without a sample where nothing is measured."""
        if data is None:
            return {}
        return {"metrics": {"timestamp": _timestamp(now_nano), "id": self.id, "data": data}}

    @staticmethod
    def platform() -> dict[str, str]:
        """This host, as Go calls it."""
        machine = os.uname().machine
        architecture, variant = _MACHINES.get(machine, (machine, ""))
        return {"os": "linux", "architecture": architecture, "variant": variant}


def _timestamp(nano: int) -> dict[str, int]:
    seconds, nanos = divmod(nano, 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}
