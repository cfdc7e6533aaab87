"""A demo runtime: containerd's Task service, whose containers are plain host processes.

It takes the program, arguments, environment and working directory from the bundle's
``config.json`` and runs them as the user that it runs as itself: no root file system, no
namespaces, no limits, no terminals. The pids, signals, stdio and exit statuses are real. Mounts,
those of Create and those of the specification, are left alone: a path is one of the host.
"""

# ruff: noqa: ARG002  # a handler takes a request and a context, whether it needs them or not

from __future__ import annotations

import atexit
import os
import threading
from typing import TYPE_CHECKING, Any

from toolkit.errors import DeadlineExceeded, RpcError
from toolkit.shim.hosting import oci
from toolkit.shim.hosting.container import Container
from toolkit.shim.hosting.diary import Diary
from toolkit.shim.hosting.metrics import cgroup_metrics
from toolkit.shim.hosting.registry import Registry
from toolkit.shim.hosting.stdio import StdioPaths
from toolkit.shim.serving.records import Records
from toolkit.status import Code
from toolkit.sync import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.schema.pool import Schema
    from toolkit.shim.hosting.diary import Publish
    from toolkit.shim.hosting.host import Exit, HostProcess
    from toolkit.shim.serving.context import ShimContext

__all__ = ["TASK_SERVICES", "ProcessShim", "TaskServer", "make_server", "make_shim"]

TASK_SERVICES = ("containerd.task.v2.Task", "containerd.task.v3.Task")
_PATIENCE = 5  # seconds that open calls get after Shutdown
_GLANCE = 0.25  # seconds after which a Wait looks whether its caller has gone


class ProcessShim:
    """The Task service, v2 and v3: one object may serve both, and any number of connections.

    Every container ends with it at the latest: ``close``, or the end of its ``with`` block or of
    Python, kills what is left.
    """

    def __init__(
        self,
        *,
        on_shutdown: Callable[[], None] = lambda: None,
        publish: Publish | None = None,
        record: bool = False,
    ) -> None:
        """A shim without containers.

        Args:
            on_shutdown: called by the Shutdown that finds no container left.
            publish: takes the events, topic and values, as ``Publisher.publish`` does; it must
                not wait.
            record: whether to note the processes in the bundle, so that ``delete`` can end them
                when this shim has been killed.
        """
        self._on_shutdown = on_shutdown
        self._publish = publish
        self._record = record
        self._registry = Registry()
        atexit.register(self.close)

    def __enter__(self) -> ProcessShim:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill and forget every container, and take no more; twice is fine."""
        self._registry.close()
        atexit.unregister(self.close)

    def Create(self, request: Any, context: Any) -> dict[str, Any]:
        """Make a container with a process that waits for Start."""
        _check_create(request)
        spec = oci.init_process(request.bundle)
        diary = self._diary(request)
        container = Container(request.id, request.bundle, spec, _stdio(request), diary=diary)
        with diary.holding():
            self._registry.create(container)
            diary.created(request, container.init.pid)
        return {"pid": container.init.pid}

    def Start(self, request: Any, context: Any) -> dict[str, Any]:
        """Run the program of a container or of an exec."""
        container = self._container(request)
        with container.diary.holding():
            pid = container.start(request.exec_id)
            container.diary.started(request.exec_id, pid)
        return {"pid": pid}

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        """What a container or an exec is doing."""
        container, process = self._process(request)
        stdin, stdout, stderr = process.stdio
        state = {
            "id": request.id,
            "bundle": container.bundle,
            "pid": process.pid,
            "status": container.status(process),
            "stdin": stdin,
            "stdout": stdout,
            "stderr": stderr,
            **_end(process.exit),
        }
        if request.exec_id and "exec_id" in context.method.reply.DESCRIPTOR.fields_by_name:
            state["exec_id"] = request.exec_id  # containerd has it since 1.3
        return state

    def Pids(self, request: Any, context: Any) -> dict[str, Any]:
        """Every process of a container."""
        schema = context.method.service.schema
        container = self._container(request)
        found = []
        for exec_id, process in container.processes().items():
            info = _process_details(schema, exec_id)
            found += [{"pid": pid, **info} for pid in process.members()]
        return {"processes": found}

    def Kill(self, request: Any, context: Any) -> None:
        """Send a signal to the process, or with ``all`` to all that it has started too."""
        _, process = self._process(request)
        if request.all:
            process.signal_session(request.signal)
        else:
            process.signal(request.signal)

    def Exec(self, request: Any, context: Any) -> None:
        """Add a process to a container; Start runs it."""
        if not request.exec_id:
            raise RpcError(Code.INVALID_ARGUMENT, "exec_id is empty")
        _refuse_terminal(request)
        container = self._container(request)
        spec = oci.exec_process(request.spec.type_url, request.spec.value)
        container.exec(request.exec_id, spec, _stdio(request))
        container.diary.exec_added(request.exec_id)

    def Wait(self, request: Any, context: Any) -> dict[str, Any]:
        """Answer when the process has ended."""
        _, process = self._process(request)
        return _end(_wait(process, context))

    def Delete(self, request: Any, context: Any) -> dict[str, Any]:
        """Forget a process that has ended, or has never been started."""
        container = self._container(request)
        pid, ended = container.delete(request.exec_id)
        if not request.exec_id:
            self._registry.remove(container)
        container.diary.deleted(request.exec_id, pid, ended)
        return {"pid": pid, **_end(ended)}

    def Pause(self, request: Any, context: Any) -> None:
        """Stop every process of a container."""
        container = self._container(request)
        container.pause()
        container.diary.paused()

    def Resume(self, request: Any, context: Any) -> None:
        """Let every process of a container go on."""
        container = self._container(request)
        container.resume()
        container.diary.resumed()

    def CloseIO(self, request: Any, context: Any) -> None:
        """Let the process see the end of its stdin."""
        _, process = self._process(request)
        if request.stdin:
            process.close_stdin()

    def ResizePty(self, request: Any, context: Any) -> None:
        """Do nothing, as runc's shim does for a process that has no terminal; none here has."""
        self._process(request)

    def Stats(self, request: Any, context: Any) -> dict[str, Any]:
        """What the processes of a container use, as the metrics of a cgroup v2."""
        container = self._container(request)
        pids = [pid for each in container.processes().values() for pid in each.members()]
        if not pids:
            raise RpcError(Code.FAILED_PRECONDITION, f"container {request.id!r} has no process")
        stats = cgroup_metrics(context.method.service.schema, pids)
        return {} if stats is None else {"stats": stats}

    def Checkpoint(self, request: Any, context: Any) -> None:
        """Refuse: a host process cannot be saved."""
        self._container(request)
        raise RpcError(Code.UNIMPLEMENTED, "host processes cannot be checkpointed")

    def Update(self, request: Any, context: Any) -> None:
        """Refuse: there is no cgroup to set limits in."""
        self._container(request)
        raise RpcError(Code.UNIMPLEMENTED, "host processes have no limits to update")

    def Connect(self, request: Any, context: Any) -> dict[str, Any]:
        """The pids of this shim and of the container, 0 where there is no such container."""
        container = self._registry.find(request.id)
        return {"shim_pid": os.getpid(), "task_pid": container.init.pid if container else 0}

    def Shutdown(self, request: Any, context: Any) -> None:
        """Stop when no container is left, or at once with ``now``."""
        if request.now or self._registry.close_if_empty():
            self._on_shutdown()

    def _diary(self, request: Any) -> Diary:
        records = Records(request.bundle) if self._record else None
        return Diary(request.id, publish=self._publish, records=records)

    def _container(self, request: Any) -> Container:
        container = self._registry.find(request.id)
        if container is None:
            raise RpcError(Code.NOT_FOUND, f"there is no container {request.id!r}")
        return container

    def _process(self, request: Any) -> tuple[Container, HostProcess]:
        container = self._container(request)
        return container, container.process(request.exec_id)


def make_shim(context: ShimContext) -> ProcessShim:
    """A ProcessShim for ``toolkit.shim.serving.run``: what containerd runs."""
    return ProcessShim(on_shutdown=context.shutdown, publish=context.publisher.publish, record=True)


class TaskServer(Server):
    """A server that ends the containers of its shim when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._shim = ProcessShim(on_shutdown=self._stop_soon)

    def add_tasks(self, schema: Schema) -> None:
        """Serve what the schema has of Task v2 and v3."""
        offered = {service.name for service in schema.services()}
        for name in offered.intersection(TASK_SERVICES) or TASK_SERVICES[-1:]:
            self.add(schema.service(name), self._shim)

    def shutdown(self, timeout: float | None = None) -> int:
        """End every container, which answers the Waits; then as any server."""
        self._shim.close()
        return super().shutdown(timeout)

    def close(self) -> None:
        """End everything now."""
        super().close()
        self._shim.close()

    def _stop_soon(self) -> None:
        # In a thread of its own: the handler that asks for it is a call that has to be answered.
        stop = threading.Thread(target=self.shutdown, args=(_PATIENCE,), name="shim-shutdown")
        stop.start()


def make_server(schema: Schema) -> TaskServer:
    """A server with the Task services that the schema has, all of them over one ProcessShim.

    Shutdown ends it; when it ends, no container is left.

    Raises:
        SymbolNotFound: the schema has no Task service.
    """
    server = TaskServer()
    server.add_tasks(schema)
    return server


def _check_create(request: Any) -> None:
    if not request.id:
        raise RpcError(Code.INVALID_ARGUMENT, "id is empty")
    if request.checkpoint:
        raise RpcError(Code.UNIMPLEMENTED, "host processes cannot be restored from a checkpoint")
    _refuse_terminal(request)


def _refuse_terminal(request: Any) -> None:
    if request.terminal:
        raise RpcError(Code.UNIMPLEMENTED, "host processes get no terminal here")


def _stdio(request: Any) -> StdioPaths:
    return StdioPaths(request.stdin, request.stdout, request.stderr)


def _wait(process: HostProcess, context: Any) -> Exit:
    while True:
        left = context.time_remaining()
        ended = process.wait(_GLANCE if left is None else min(_GLANCE, left))
        if ended is not None:
            return ended
        if left is not None and left <= _GLANCE:
            raise DeadlineExceeded(f"process {process.pid} still runs")
        if context.cancelled:
            raise RpcError(Code.CANCELLED, "the caller has gone")


def _end(ended: Exit | None) -> dict[str, Any]:
    if ended is None:
        return {}
    seconds, nanos = divmod(ended.at, 1_000_000_000)
    return {"exit_status": ended.status, "exited_at": {"seconds": seconds, "nanos": nanos}}


def _process_details(schema: Schema, exec_id: str) -> dict[str, Any]:
    if not exec_id:
        return {}
    # Any containerd line has it: ctr and crictl show the exec's name from it.
    return {"info": schema.pack("containerd.runc.v1.ProcessDetails", {"exec_id": exec_id})}
