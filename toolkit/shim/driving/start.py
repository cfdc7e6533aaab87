"""Start a shim without containerd, drive it, and leave nothing of it: for blocking callers."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

from toolkit import sync
from toolkit.errors import DeadlineExceeded, RpcError, ToolkitError, TransportError
from toolkit.schema.load import load
from toolkit.shim.driving import strays
from toolkit.shim.driving.claim import Claim
from toolkit.shim.driving.eventserver import EventServer
from toolkit.shim.driving.handle import Handle, Notes, Seen
from toolkit.shim.driving.logpipe import LogPipe
from toolkit.shim.driving.logreader import LogReader
from toolkit.shim.driving.program import run
from toolkit.shim.driving.starting import (
    CLEANING,
    GONE,
    LOG,
    PUBLISHING,
    SHUTDOWN,
    Exit,
    Order,
    ShimFailed,
    bundle_named,
    exit_in,
    exit_of,
    outcome,
)
from toolkit.shim.namespace import in_namespace
from toolkit.status import Code

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from types import TracebackType

    from google.protobuf.message import Message

    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema
    from toolkit.shim.bootstrap import Bootstrap

__all__ = ["Shim", "start"]


def start(
    bundle: str | os.PathLike[str],
    *,
    id: str,
    namespace: str = "default",
    binary: str = "containerd-shim-runc-v2",
    options: Message | tuple[str, Mapping[str, Any]] | None = None,
    ttrpc_address: str = "",
    address: str = "/run/containerd/containerd.sock",
    form: str = "",
    socket_dir: str = "",
    debug: bool = False,
    environment: Mapping[str, str] | None = None,
    timeout: float = 10.0,
    schema: Schema | None = None,
) -> Shim:
    """Start a shim as containerd does, and connect to it; no containerd is needed.

    Leaving the block of the result ends the container and its shim.

    Args:
        bundle: the folder with the container's ``config.json`` and root file system.
        id: the container's id.
        namespace: containerd's namespace; it goes with every call.
        binary: the shim's program: a path, a name on PATH, or ``io.containerd.runc.v2``.
        options: the runtime's options: a message, or the name of a type and its values, such as
            ``("containerd.runc.v1.Options", {"binary_name": "crun"})``.
        ttrpc_address: where the shim publishes its events; by default a server of its own, whose
            events are in the result.
        address: containerd's gRPC socket. Nothing connects to it: it is part of the name of the
            shim's socket, so that the shims of two daemons do not meet.
        form: what ``start`` gets on stdin: ``protobuf``, as from containerd 2.3 on, or
            ``options``, as before; told by the binary if not given, or tried.
        socket_dir: the folder of the shim's socket; shims of containerd 2.3 and later obey.
        debug: whether the shim logs more.
        environment: added to the shim's environment.
        timeout: seconds for ``start``, and for connecting.
        schema: of the Task service; the newest containerd's fits every shim.

    Raises:
        ShimFailed: there is no such bundle or program, or the shim failed, hung or answered what
            makes no sense. Nothing of it is left then.
        ConnectFailed: it does not listen where it said.
    """
    order = Order.of(
        bundle,
        id=id,
        namespace=namespace,
        binary=binary,
        options=options,
        address=address,
        form=form,
        socket_dir=socket_dir,
        debug=debug,
        environment=environment or {},
    )
    chosen = schema if schema is not None else load("containerd")
    with contextlib.ExitStack() as undo:
        claim = Claim(order)
        undo.callback(claim.release)
        events = None if ttrpc_address else undo.enter_context(EventServer())
        order = order.publishing(events.address if events is not None else ttrpc_address)
        log = LogPipe(order.bundle / LOG)
        undo.callback(log.remove)
        reader = LogReader(log)
        undo.callback(reader.stop)
        notes = Notes(order.bundle)
        begun = strays.now()
        undo.callback(_undo, order, notes, claim, begun)
        bootstrap = _bootstrap(order, chosen, begun, timeout)
        claim.note(bootstrap.channel_address)
        service = chosen.service(bootstrap.service)
        notes.write(order, bootstrap)
        seen = Seen()
        channel = sync.connect(
            bootstrap.channel_address,
            timeout=timeout,
            interceptors=[seen, in_namespace(namespace)],
        )
        undo.callback(channel.close)
        handle = Handle(order, bootstrap, log, notes, seen, listener=channel.peer.pid, begun=begun)
        undo.callback(handle.close)
        shim = Shim(handle, channel, chosen, service, reader, claim, events)
        if not handle.own:
            shim._refuse_a_container(timeout)  # noqa: SLF001  # it is not made yet
        undo.pop_all()
    return shim


class Shim:
    """A shim that ``start`` started; its block ends it, and its container, at the end.

    Attributes:
        id: the container's.
        namespace: containerd's.
        bundle: the container's folder.
        address: where it listens, as ``connect`` takes it.
        version: of the task API that it speaks, 2 or 3.
        pid: the shim's own process; 0 where this user may not see it.
        schema: what it is called with.
        channel: to it; every call goes in the namespace.
        task: its Task service: ``shim.task.State(id=shim.id)``.
    """

    def __init__(
        self,
        handle: Handle,
        channel: sync.Channel,
        schema: Schema,
        service: Service,
        reader: LogReader,
        claim: Claim,
        events: EventServer | None,
    ) -> None:
        """``start`` makes it."""
        self.id = handle.id
        self.namespace = handle.namespace
        self.bundle = handle.bundle
        self.address = handle.address
        self.version = handle.version
        self.pid = handle.pid
        self.schema = schema
        self.channel = channel
        self.task: Any = channel.client(service)
        self._events = events
        self._handle = handle
        self._reader = reader
        self._claim = claim
        self._exit: Exit | None = None
        self._stopped = False

    @property
    def events(self) -> EventServer:
        """What the shim publishes, to iterate over.

        Raises:
            ValueError: it publishes to another address, as ``start`` was told.
        """
        if self._events is None:
            raise ValueError(f"this shim publishes to {self._handle.order.ttrpc_address}")
        return self._events

    @property
    def log(self) -> str:
        """The last 64 KiB of what the shim has logged."""
        return self._handle.log

    @property
    def alive(self) -> bool:
        """Whether its process runs, as far as this user may see it."""
        return self._handle.alive

    def stop(self, timeout: float = 10.0) -> Exit | None:
        """End the container and then the shim, as containerd does; twice is fine.

        A container that still runs is killed. A shim that has died or does not answer is killed,
        and its ``delete`` action cleans up. A shim that was there before this start loses only the
        container that was made through it.

        Args:
            timeout: seconds for each call.

        Returns:
            How the container ended; None where there was none.

        Raises:
            ShimFailed: it did not clean up.
        """
        if self._stopped:
            return self._exit
        try:
            return self._end(timeout)
        except KeyboardInterrupt:
            # Half an end would leave a container without a shim. A second Ctrl-C goes through.
            with contextlib.suppress(ToolkitError):
                self.kill()
            raise

    def kill(self) -> Exit | None:
        """Kill the shim's process and, after a Create, have its ``delete`` action clean up.

        A shim that was there before this start, and may have other containers, is left alone.

        Raises:
            ShimFailed: it did not clean up.
        """
        if not self._stopped:
            try:
                self._exit = self._clean_up()
            finally:
                self._close()
        return self._exit

    def __enter__(self) -> Shim:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Shim {self.namespace}/{self.id} at {self.address}>"

    def _end(self, timeout: float) -> Exit | None:
        try:
            self._exit = self._delete_container(timeout)
            if self._events is not None:
                # The runc shim of 2.4 ends without having published what it still has to.
                self._events.wait_for_end(self.id, PUBLISHING)
            self._shut_down()
        except (TransportError, RpcError):
            self._exit = self._clean_up()
        except ToolkitError:
            self._close()
            raise
        self._close()
        return self._exit

    def _refuse_a_container(self, timeout: float) -> None:
        """Of a shim that others share, take only a container that is not there yet."""
        try:
            self.task.State(id=self.id, timeout=timeout)
        except RpcError as exc:
            if exc.code is Code.NOT_FOUND:
                return
            raise ShimFailed(f"the shim at {self.address} is shared, and refuses: {exc}") from exc
        raise ShimFailed(
            f"the shim at {self.address} is shared, and has a container {self.id!r} already; "
            "shim.connect drives it"
        )

    def _delete_container(self, timeout: float) -> Exit | None:
        if not self._handle.own and not self._handle.created:
            return None
        try:
            return exit_in(self.task.Delete(id=self.id, timeout=timeout))
        except DeadlineExceeded:
            raise
        except RpcError as exc:
            if exc.code in (Code.NOT_FOUND, Code.UNIMPLEMENTED):
                return None
        # It still runs.
        with contextlib.suppress(RpcError):  # it ended meanwhile
            self.task.Kill(id=self.id, signal=signal.SIGKILL, all=True, timeout=timeout)
        self.task.Wait(id=self.id, timeout=timeout)
        return exit_in(self.task.Delete(id=self.id, timeout=timeout))

    def _shut_down(self) -> None:
        if not self._handle.own and not self._handle.created:
            return
        # Some end before they have answered, and some answer with an error and end.
        with contextlib.suppress(TransportError, RpcError):
            self.task.Shutdown(id=self.id, timeout=SHUTDOWN)
        if self._handle.own and not self._handle.wait(GONE):
            self._handle.kill()
            self._handle.wait(GONE)

    def _clean_up(self) -> Exit | None:
        self._handle.kill()
        self._handle.wait(GONE)
        if not self._handle.created:  # `delete` ends any container of this id
            return None
        return _delete(self._handle.order)

    def _close(self) -> None:
        self._stopped = True
        self.channel.close()
        self._reader.stop()
        self._handle.clear()
        self._claim.release()
        if self._events is not None:
            self._events.close()


def _bootstrap(order: Order, schema: Schema, begun: float, timeout: float) -> Bootstrap:
    *others, last = order.forms(schema)
    for form in others:
        command = order.start(form, schema)
        status, stdout, stderr = run(command, timeout)
        try:
            return outcome(command, status, stdout, stderr, timeout=timeout)
        except ShimFailed:
            if status is None:  # one that hangs would do so again
                raise
        _kill_strays(order, begun)
    command = order.start(last, schema)
    status, stdout, stderr = run(command, timeout)
    return outcome(command, status, stdout, stderr, timeout=timeout)


def _kill_strays(order: Order, begun: float) -> None:
    strays.kill_strays(order.bundle, namespace=order.namespace, id=order.id, since=begun)


def _undo(order: Order, notes: Notes, claim: Claim, begun: float) -> None:
    """Leave nothing of a start that failed; a container that was there is not its own to end."""
    notes.take_back()
    _kill_strays(order, begun)
    claim.undo()


def _delete(order: Order, timeout: float = CLEANING) -> Exit:
    """What the shim's ``delete`` says of the container."""
    with bundle_named(order) as folder:
        command = order.delete(folder)
        status, stdout, stderr = run(command, timeout)
    return exit_of(command, status, stdout, stderr, timeout=timeout)
