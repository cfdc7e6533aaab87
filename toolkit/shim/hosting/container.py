"""One container: its init process, its execs, and what may be done to them when."""

from __future__ import annotations

import enum
import logging
import signal
import threading
from typing import TYPE_CHECKING

from toolkit.errors import RpcError
from toolkit.shim.hosting.diary import Diary
from toolkit.shim.hosting.host import Exit, HostProcess
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.shim.hosting.oci import ProcessSpec
    from toolkit.shim.hosting.stdio import StdioPaths

__all__ = ["Container", "Status"]

logger = logging.getLogger(__name__)


class Status(enum.IntEnum):
    """The numbers of ``containerd.v1.types.Status``."""

    CREATED = 1
    RUNNING = 2
    STOPPED = 3
    PAUSED = 4


class Container:
    """An init process and the execs that live no longer than it."""

    def __init__(
        self,
        container_id: str,
        bundle: str,
        spec: ProcessSpec,
        stdio: StdioPaths,
        *,
        diary: Diary | None = None,
    ) -> None:
        self.id = container_id
        self.bundle = bundle
        self.diary = diary or Diary(container_id)
        self.init = HostProcess(spec, stdio, folder=bundle, on_exit=self._init_ended)
        # Serialises what changes the container; Kill, Wait and State go without it.
        self._changing = threading.Lock()
        self._execs: dict[str, HostProcess] = {}
        self._paused = False
        self._ended = False  # the init process has died, so no exec may live
        self._deleted = False

    def process(self, exec_id: str) -> HostProcess:
        """The init process for "", else this exec.

        Raises:
            RpcError: NOT_FOUND.
        """
        if not exec_id:
            return self.init
        try:
            return self._execs[exec_id]
        except KeyError:
            text = f"container {self.id!r} has no exec {exec_id!r}"
            raise RpcError(Code.NOT_FOUND, text) from None

    def processes(self) -> dict[str, HostProcess]:
        """The init process as "", and the execs."""
        return {"": self.init, **self._execs}

    def status(self, process: HostProcess) -> Status:
        """What a process of this container is doing."""
        if process.exit is not None:
            return Status.STOPPED
        if not process.started:
            return Status.CREATED
        return Status.PAUSED if self._paused else Status.RUNNING

    def create(self) -> None:
        """Make the init process."""
        with self._changing:
            self.init.launch()
            self.diary.launched("", self.init.pid)

    def start(self, exec_id: str) -> int:
        """Run a created process; its pid."""
        with self._changing:
            process = self.process(exec_id)
            self._require(process, exec_id, "start", Status.CREATED)
            if process is not self.init:
                self._require_init("start an exec in", Status.CREATED, Status.RUNNING)
            if not process.pid:
                process.launch()
                self.diary.launched(exec_id, process.pid)
            process.start()
            if self._ended:  # while it was being made, and so unseen by _end_execs
                process.kill()
            return process.pid

    def exec(self, exec_id: str, spec: ProcessSpec, stdio: StdioPaths) -> None:
        """Add a process, to be started later."""
        with self._changing:
            if exec_id in self._execs:
                text = f"container {self.id!r} already has an exec {exec_id!r}"
                raise RpcError(Code.ALREADY_EXISTS, text)
            self._require_init("exec in", Status.CREATED, Status.RUNNING)
            process = HostProcess(
                spec,
                stdio,
                folder=self.bundle,
                on_exit=lambda ended: self.diary.ended(exec_id, process.pid, ended),
            )
            self._execs[exec_id] = process

    def pause(self) -> None:
        """Stop every process."""
        with self._changing:
            self._require_init("pause", Status.RUNNING)
            self._signal_all(signal.SIGSTOP)
            self._paused = True

    def resume(self) -> None:
        """Let every process go on."""
        with self._changing:
            self._require_init("resume", Status.PAUSED)
            self._signal_all(signal.SIGCONT)
            self._paused = False

    def delete(self, exec_id: str) -> tuple[int, Exit]:
        """Forget a process that does not run, and with the init process all; its pid and end."""
        with self._changing:
            process = self.process(exec_id)
            self._require(process, exec_id, "delete", Status.CREATED, Status.STOPPED)
            if process is self.init:
                return process.pid, self._forget_all()
            del self._execs[exec_id]
            return process.pid, process.forget()

    def destroy(self) -> None:
        """End whatever still lives and free all that is held; twice is fine."""
        with self._changing:
            self._forget_all()

    def _require(self, process: HostProcess, exec_id: str, action: str, *wanted: Status) -> None:
        if self._deleted:
            raise RpcError(Code.NOT_FOUND, f"container {self.id!r} has been deleted")
        status = self.status(process)
        if status not in wanted:
            name = f"exec {exec_id!r} of container" if exec_id else "container"
            text = f"cannot {action} {name} {self.id!r}: it is {status.name}, "
            text += f"and has to be {' or '.join(each.name for each in wanted)}"
            raise RpcError(Code.FAILED_PRECONDITION, text)

    def _require_init(self, action: str, *wanted: Status) -> None:
        self._require(self.init, "", action, *wanted)

    def _signal_all(self, number: int) -> None:
        for process in self.processes().values():
            if self.status(process) in (Status.RUNNING, Status.PAUSED):
                _unless_ended(process, number)

    def _init_ended(self, ended: Exit) -> None:
        self._end_execs()
        self.diary.ended("", self.init.pid, ended)

    def _end_execs(self) -> None:
        self._ended = True
        for process in list(self._execs.values()):
            try:
                process.kill()
            except RpcError:
                logger.exception("a process of container %r cannot be killed", self.id)

    def _forget_all(self) -> Exit:
        ended = self.init.forget()
        for process in self._execs.values():
            process.forget()
        self._execs.clear()
        self._deleted = True
        return ended


def _unless_ended(process: HostProcess, number: int) -> None:
    try:
        process.signal_session(number)
    except RpcError as exc:
        if exc.code is not Code.NOT_FOUND:
            raise
