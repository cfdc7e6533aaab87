"""Calls the handlers of a ProcessShim without a server between."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.rpc.context import Context, Peer
from toolkit.schema.message import as_message
from toolkit.shim.hosting.oci import PROCESS_TYPE

if TYPE_CHECKING:
    from toolkit.schema.method import Service
    from toolkit.shim.process import ProcessShim

__all__ = ["Caller", "is_alive", "process_spec"]


class Caller:
    """Gives a handler a request of its method's class, and takes its reply as a message."""

    def __init__(self, shim: ProcessShim, service: Service) -> None:
        self.shim = shim
        self.service = service

    def context(self, method: str, *, deadline: float | None = None) -> Context:
        return Context(self.service[method], Peer("test"), (), deadline, time.monotonic)

    def __call__(self, name: str, context: Context | None = None, /, **fields: Any) -> Any:
        method = self.service[name]
        request = as_message(method.request, fields)
        reply = getattr(self.shim, name)(request, context or self.context(name))
        return as_message(method.reply, reply)

    def run(self, container_id: str, bundle: Path, **stdio: str) -> int:
        """Create and start a container; its pid."""
        self("Create", id=container_id, bundle=str(bundle), **stdio)
        pid: int = self("Start", id=container_id).pid
        return pid

    def exec(self, container_id: str, exec_id: str, *args: str, **stdio: str) -> int:
        """Add and start an exec; its pid."""
        self("Exec", id=container_id, exec_id=exec_id, spec=process_spec(*args), **stdio)
        pid: int = self("Start", id=container_id, exec_id=exec_id).pid
        return pid

    def wait(self, container_id: str, exec_id: str = "") -> int:
        """The exit status, once there is one."""
        status: int = self("Wait", id=container_id, exec_id=exec_id).exit_status
        return status


def process_spec(*args: str, **process: Any) -> dict[str, Any]:
    """The Any that an Exec carries."""
    value = json.dumps({"args": args, "cwd": "/", **process}).encode()
    return {"type_url": PROCESS_TYPE, "value": value}


def is_alive(pid: int) -> bool:
    """Whether there is such a process, a zombie included."""
    return Path(f"/proc/{pid}").exists()
