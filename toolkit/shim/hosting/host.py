"""One host process: waiting to start, running, signalled, and waited for."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import RpcError
from toolkit.shim.hosting import procfs
from toolkit.shim.hosting.stdio import Stdio, StdioPaths
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.shim.hosting.oci import ProcessSpec

__all__ = ["Exit", "HostProcess"]

logger = logging.getLogger(__name__)

_KILLED = 128 + signal.SIGKILL
_LOST = 255  # somebody else reaped our child; containerd's number for an exit nobody saw
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_LAUNCH_TIMEOUT = 30  # seconds; it takes 20 ms unless the host has stopped or is out of memory


class Exit(NamedTuple):
    """How a process ended: 128 + signal when a signal killed it; nanoseconds since 1970."""

    status: int
    at: int


class HostProcess:
    """A process in a session of its own, which ends with it.

    ``launch`` makes it, with its pid, and ``start`` lets it run its program.

    Attributes:
        spec: the program.
        stdio: where it reads and writes.
        pid: 0 before it is launched.
        started: True once its program was let go.
    """

    def __init__(
        self,
        spec: ProcessSpec,
        stdio: StdioPaths,
        *,
        folder: str,
        on_exit: Callable[[Exit], None] = lambda _: None,
    ) -> None:
        """``on_exit`` runs when it has died, before anybody is told."""
        self.spec = spec
        self.stdio = stdio
        self.pid = 0
        self.started = False
        self._folder = folder
        self._on_exit = on_exit
        # Guards _exit, _pidfd and the reaping: while it is held, neither the pid nor the id of
        # the session can become somebody else's. Nothing under it waits.
        self._changed = threading.Condition()
        self._exit: Exit | None = None
        self._pidfd = -1
        self._forgotten = threading.Event()
        self._gate: socket.socket | None = None
        self._open_stdio: Stdio | None = None
        self._watcher: threading.Thread | None = None

    @property
    def exit(self) -> Exit | None:
        """How it ended; None before."""
        with self._changed:
            return self._exit

    def launch(self) -> None:
        """Make the process; it waits for ``start``.

        Raises:
            RpcError: its stdio cannot be opened, or the process cannot be made.
        """
        stdio = Stdio(self.stdio, folder=self._folder)
        gate, child_gate = socket.socketpair()
        gate.settimeout(_LAUNCH_TIMEOUT)
        try:
            with child_gate:
                popen = _spawn(self.spec, stdio, child_gate.fileno())
            self._pidfd = _open_pidfd(popen)
        except BaseException:
            gate.close()
            stdio.close()
            raise
        self._gate, self._open_stdio, self.pid = gate, stdio, popen.pid
        name = f"shim-wait-{self.pid}"
        self._watcher = threading.Thread(
            target=self._watch, args=(popen, stdio), name=name, daemon=True
        )
        self._watcher.start()
        self._await_launcher(gate)

    def start(self) -> None:
        """Run the program, once; returns when it runs.

        Raises:
            RpcError: there is no such program, or the process has died.
        """
        if self._gate is None:
            self.launch()
        assert self._gate is not None
        with self._gate as gate:
            failure = self._release(gate)
        self.started = True
        if failure:
            self.wait()
            text = f"cannot run {self.spec.args[0]!r} on this host: {os.strerror(int(failure))}"
            raise RpcError(Code.INVALID_ARGUMENT, text)

    def signal(self, number: int) -> None:
        """Send it a signal.

        Raises:
            RpcError: NOT_FOUND, it has ended; INVALID_ARGUMENT, there is no such signal.
        """
        with self._changed:
            self._check_alive()
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except PermissionError as exc:
                text = f"process {self.pid} now belongs to another user"
                raise RpcError(Code.PERMISSION_DENIED, text) from exc
            except OSError as exc:
                raise RpcError(Code.INVALID_ARGUMENT, f"{number} is no signal") from exc

    def signal_session(self, number: int) -> None:
        """Send a signal to it and to all that it has started in its session."""
        with self._changed:
            self._check_alive()
            procfs.signal_session(self.pid, number)

    def members(self) -> list[int]:
        """Its pid and those of the processes in its session; none when it has ended."""
        with self._changed:
            if self._exit is not None or not self.pid:
                return []
            return procfs.session_members(self.pid)

    def wait(self, timeout: float | None = None) -> Exit | None:
        """How it ended; None when that has not happened after ``timeout`` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._exit is not None, timeout)
            return self._exit

    def close_stdin(self) -> None:
        """Let it see the end of its stdin."""
        if self._open_stdio is not None:
            self._open_stdio.close_stdin()

    def kill(self) -> None:
        """End it, and whatever else is in its session; nothing when it has ended or never was."""
        if not self.pid:
            return
        try:
            self.signal(signal.SIGKILL)
        except RpcError as exc:
            if exc.code is not Code.NOT_FOUND:
                raise
        self.wait()

    def forget(self) -> Exit:
        """Kill it and free all that it holds, output that nobody has read included."""
        self.kill()
        self._forgotten.set()
        if self._gate is not None:
            self._gate.close()
        if self._watcher is not None:
            self._watcher.join()
        else:
            self._end(Exit(_KILLED, time.time_ns()))
        assert self._exit is not None
        return self._exit

    def _check_alive(self) -> None:
        if not self.pid:
            raise RpcError(Code.FAILED_PRECONDITION, "the process has not been started")
        if self._exit is not None:
            raise RpcError(Code.NOT_FOUND, f"process {self.pid} has already ended")

    def _await_launcher(self, gate: socket.socket) -> None:
        try:
            ready = gate.recv(1)
        except OSError:
            ready = b""
        if not ready:
            self.forget()
            raise RpcError(Code.INTERNAL, f"process {self.pid} has died while it was made")

    def _release(self, gate: socket.socket) -> bytes:
        try:
            gate.sendall(_encode(self.spec))
            gate.shutdown(socket.SHUT_WR)
            return gate.recv(32)
        except TimeoutError as exc:
            text = f"process {self.pid} did not start within {_LAUNCH_TIMEOUT} s"
            raise RpcError(Code.INTERNAL, text) from exc
        except OSError as exc:
            text = f"process {self.pid} has died before it was started"
            raise RpcError(Code.FAILED_PRECONDITION, text) from exc

    def _watch(self, popen: subprocess.Popen[bytes], stdio: Stdio) -> None:
        ended = Exit(self._await_death(), time.time_ns())
        self._on_exit(ended)
        self._end(ended, popen)
        stdio.close_stdin()
        stdio.drain(self._forgotten)
        stdio.close()

    def _await_death(self) -> int:
        try:
            result = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            logger.warning("process %d was reaped by somebody else", self.pid)
            return _LOST
        assert result is not None
        # The zombie keeps the session's id, so these can be nobody else's processes.
        procfs.end_session(self.pid)
        return result.si_status + (0 if result.si_code == os.CLD_EXITED else 128)

    def _end(self, ended: Exit, popen: subprocess.Popen[bytes] | None = None) -> None:
        with self._changed:
            if popen is not None:
                popen.wait()
                os.close(self._pidfd)
            if self._exit is None:
                self._exit = ended
            self._changed.notify_all()


def _spawn(spec: ProcessSpec, stdio: Stdio, gate: int) -> subprocess.Popen[bytes]:
    stdin, stdout, stderr = stdio.fds
    try:
        return subprocess.Popen(  # noqa: S603  # to run what it is told is what a runtime is for
            [sys.executable, "-I", "-S", _LAUNCHER, str(gate)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=spec.cwd,
            pass_fds=[gate],
            start_new_session=True,
        )
    except OSError as exc:
        text = f"cannot make a process in {spec.cwd}: {exc.strerror}"
        raise RpcError(Code.INTERNAL, text) from exc


def _open_pidfd(popen: subprocess.Popen[bytes]) -> int:
    try:
        return os.pidfd_open(popen.pid)
    except OSError as exc:
        popen.kill()
        popen.wait()
        raise RpcError(Code.RESOURCE_EXHAUSTED, f"no pidfd for a process: {exc.strerror}") from exc


def _encode(spec: ProcessSpec) -> bytes:
    words = [*spec.args, *spec.env]
    return f"{len(spec.args)}\n".encode() + b"".join(word.encode() + b"\0" for word in words)
