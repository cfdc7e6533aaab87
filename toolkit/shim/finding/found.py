"""What is known of a shim that was found."""

from __future__ import annotations

from typing import NamedTuple

from toolkit.shim.bootstrap import TASK_SERVICES

__all__ = ["Found"]


class Found(NamedTuple):
    """A shim of one container; one process may be the shim of several.

    Attributes:
        namespace: containerd's namespace.
        id: of the container, or of the sandbox.
        pid: the live process that listens; None where nobody does, or where it may not be seen.
        binary: the path of its program, or of its script; empty where it is not known.
        version: of the program, as its Go build tells: ``v2.4.2``; empty where it does not.
        task: the version of the task API, 2 or 3; None where that is not known.
        address: as ``connect`` takes it; empty where it is not known.
        bundle: the container's folder; empty where it may not be seen.
        protocol: ``ttrpc``, or ``grpc``.
        problem: what is odd about it, in words: there is no address, its path is too long.
    """

    namespace: str
    id: str
    pid: int | None = None
    binary: str = ""
    version: str = ""
    task: int | None = None
    address: str = ""
    bundle: str = ""
    protocol: str = "ttrpc"
    problem: str = ""

    @property
    def name(self) -> str:
        """``NAMESPACE/ID``."""
        return f"{self.namespace}/{self.id}"

    @property
    def service(self) -> str:
        """The full name of its Task service, the newer one where it is not known."""
        return TASK_SERVICES[self.task if self.task is not None else max(TASK_SERVICES)]
