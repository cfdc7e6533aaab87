"""A shim that was started: its calls, and how it and its container end, for blocking callers."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any

from toolkit.errors import DeadlineExceeded, RpcError, ToolkitError, TransportError
from toolkit.shim.driving.program import run
from toolkit.shim.driving.starting import (
    CLEANING,
    GONE,
    PUBLISHING,
    SHUTDOWN,
    Exit,
    Order,
    ShimFailed,
    bundle_named,
    exit_in,
    exit_of,
)
from toolkit.status import Code

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit import sync
    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema
    from toolkit.shim.driving.claim import Claim
    from toolkit.shim.driving.eventserver import EventServer
    from toolkit.shim.driving.handle import Handle
    from toolkit.shim.driving.logreader import LogReader

__all__ = ["Shim"]


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


def _delete(order: Order, timeout: float = CLEANING) -> Exit:
    """What the shim's ``delete`` says of the container."""
    with bundle_named(order) as folder:
        command = order.delete(folder)
        status, stdout, stderr = run(command, timeout)
    return exit_of(command, status, stdout, stderr, timeout=timeout)
