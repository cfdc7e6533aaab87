"""A shim that was started: its calls, and how it and its container end, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Any

from toolkit.errors import DeadlineExceeded, RpcError, ToolkitError, TransportError
from toolkit.shim.driving.program_async import run
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

    from toolkit import aio
    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema
    from toolkit.shim.driving.claim import Claim
    from toolkit.shim.driving.eventserver_async import AsyncEventServer
    from toolkit.shim.driving.handle import Handle
    from toolkit.shim.driving.logpipe import LogPipe

__all__ = ["AsyncShim"]


class AsyncShim:
    """A shim that ``start_async`` started; its block ends it, and its container, at the end.

    Attributes:
        id: the container's.
        namespace: containerd's.
        bundle: the container's folder.
        address: where it listens, as ``connect`` takes it.
        version: of the task API that it speaks, 2 or 3.
        pid: the shim's own process; 0 where this user may not see it.
        schema: what it is called with.
        channel: to it; every call goes in the namespace.
        task: its Task service: ``await shim.task.State(id=shim.id)``.
    """

    def __init__(
        self,
        handle: Handle,
        channel: aio.Channel,
        schema: Schema,
        service: Service,
        log: LogPipe,
        claim: Claim,
        events: AsyncEventServer | None,
    ) -> None:
        """``start_async`` makes it."""
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
        self._log = log
        self._claim = claim
        self._exit: Exit | None = None
        self._stopped = False

    @property
    def events(self) -> AsyncEventServer:
        """What the shim publishes, to iterate over.

        Raises:
            ValueError: it publishes to another address, as ``start_async`` was told.
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

    async def stop(self, timeout: float = 10.0) -> Exit | None:
        """As ``Shim.stop``: end the container and then the shim; twice is fine.

        One that is cancelled is finished first; a second cancellation goes through.

        Args:
            timeout: seconds for each call.

        Returns:
            How the container ended; None where there was none.

        Raises:
            ShimFailed: it did not clean up.
        """
        if self._stopped:
            return self._exit
        ending = asyncio.ensure_future(self._end(timeout))
        try:
            return await asyncio.shield(ending)
        except asyncio.CancelledError:
            # Half an end would leave a container without a shim. A second one goes through.
            with contextlib.suppress(ToolkitError):
                await ending
            raise

    async def kill(self) -> Exit | None:
        """Kill the shim's process and, after a Create, have its ``delete`` action clean up.

        A shim that was there before this start, and may have other containers, is left alone.

        Raises:
            ShimFailed: it did not clean up.
        """
        if not self._stopped:
            try:
                self._exit = await self._clean_up()
            finally:
                await self._close()
        return self._exit

    async def __aenter__(self) -> AsyncShim:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"<AsyncShim {self.namespace}/{self.id} at {self.address}>"

    async def _end(self, timeout: float) -> Exit | None:
        try:
            self._exit = await self._delete_container(timeout)
            if self._events is not None:
                # The runc shim of 2.4 ends without having published what it still has to.
                await self._events.wait_for_end(self.id, PUBLISHING)
            await self._shut_down()
        except (TransportError, RpcError):
            self._exit = await self._clean_up()
        except ToolkitError:
            await self._close()
            raise
        await self._close()
        return self._exit

    async def _refuse_a_container(self, timeout: float) -> None:
        """Of a shim that others share, take only a container that is not there yet."""
        try:
            await self.task.State(id=self.id, timeout=timeout)
        except RpcError as exc:
            if exc.code is Code.NOT_FOUND:
                return
            raise ShimFailed(f"the shim at {self.address} is shared, and refuses: {exc}") from exc
        raise ShimFailed(
            f"the shim at {self.address} is shared, and has a container {self.id!r} already; "
            "shim.connect drives it"
        )

    async def _delete_container(self, timeout: float) -> Exit | None:
        if not self._handle.own and not self._handle.created:
            return None
        try:
            return exit_in(await self.task.Delete(id=self.id, timeout=timeout))
        except DeadlineExceeded:
            raise
        except RpcError as exc:
            if exc.code in (Code.NOT_FOUND, Code.UNIMPLEMENTED):
                return None
        # It still runs.
        with contextlib.suppress(RpcError):  # it ended meanwhile
            await self.task.Kill(id=self.id, signal=signal.SIGKILL, all=True, timeout=timeout)
        await self.task.Wait(id=self.id, timeout=timeout)
        return exit_in(await self.task.Delete(id=self.id, timeout=timeout))

    async def _shut_down(self) -> None:
        if not self._handle.own and not self._handle.created:
            return
        # Some end before they have answered, and some answer with an error and end.
        with contextlib.suppress(TransportError, RpcError):
            await self.task.Shutdown(id=self.id, timeout=SHUTDOWN)
        if self._handle.own and not await _ended(self._handle, GONE):
            self._handle.kill()
            await _ended(self._handle, GONE)

    async def _clean_up(self) -> Exit | None:
        self._handle.kill()
        await _ended(self._handle, GONE)
        if not self._handle.created:  # `delete` ends any container of this id
            return None
        return await _delete(self._handle.order)

    async def _close(self) -> None:
        self._stopped = True
        self.channel.close()
        await self.channel.wait_closed()
        asyncio.get_running_loop().remove_reader(self._log)
        self._handle.clear()
        self._claim.release()
        if self._events is not None:
            await self._events.close()


async def _ended(handle: Handle, timeout: float) -> bool:
    """Whether the process has ended within so many seconds; True where it cannot be seen."""
    if handle.fileno() < 0:
        return True
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(handle, ended.set)
    try:
        async with asyncio.timeout(timeout):
            await ended.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(handle)
    return True


async def _delete(order: Order, timeout: float = CLEANING) -> Exit:
    """What the shim's ``delete`` says of the container."""
    with bundle_named(order) as folder:
        command = order.delete(folder)
        status, stdout, stderr = await run(command, timeout)
    return exit_of(command, status, stdout, stderr, timeout=timeout)
