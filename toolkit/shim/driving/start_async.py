"""Start a shim without containerd, drive it, and leave nothing of it: for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from toolkit import aio
from toolkit.schema.load import load
from toolkit.shim.bundle import LOG
from toolkit.shim.driving import strays
from toolkit.shim.driving.claim import Claim
from toolkit.shim.driving.eventserver_async import AsyncEventServer
from toolkit.shim.driving.handle import Handle, Notes, Seen
from toolkit.shim.driving.logpipe import LogPipe
from toolkit.shim.driving.program_async import run
from toolkit.shim.driving.running_async import AsyncShim
from toolkit.shim.driving.starting import (
    Order,
    ShimFailed,
    outcome,
)
from toolkit.shim.namespace import in_namespace

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema
    from toolkit.shim.bootstrap import Bootstrap

__all__ = ["start_async"]


async def start_async(
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
) -> AsyncShim:
    """As ``start``, for asyncio: the same arguments, the same errors.

    ::

        async with await shim.start_async(bundle, id="web") as running:
            await running.task.Create(id="web", bundle=str(bundle))
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
    async with contextlib.AsyncExitStack() as undo:
        claim = Claim(order)
        undo.callback(claim.release)
        events = None if ttrpc_address else await undo.enter_async_context(AsyncEventServer())
        order = order.publishing(events.address if events is not None else ttrpc_address)
        log = LogPipe(order.bundle / LOG)
        undo.callback(log.remove)
        loop = asyncio.get_running_loop()
        loop.add_reader(log, log.drain)
        undo.callback(loop.remove_reader, log)
        notes = Notes(order.bundle)
        begun = strays.now()
        undo.callback(_undo, order, notes, claim, begun)
        bootstrap = await _bootstrap(order, chosen, begun, timeout)
        claim.note(bootstrap.channel_address)
        service = chosen.service(bootstrap.service)
        notes.write(order, bootstrap)
        seen = Seen()
        channel = await aio.connect(
            bootstrap.channel_address,
            timeout=timeout,
            interceptors=[seen, in_namespace(namespace)],
        )
        undo.callback(channel.close)
        handle = Handle(order, bootstrap, log, notes, seen, listener=channel.peer.pid, begun=begun)
        undo.callback(handle.close)
        shim = AsyncShim(handle, channel, chosen, service, log, claim, events)
        if not handle.own:
            await shim._refuse_a_container(timeout)  # noqa: SLF001  # it is not made yet
        undo.pop_all()
    return shim


async def _bootstrap(order: Order, schema: Schema, begun: float, timeout: float) -> Bootstrap:
    *others, last = order.forms(schema)
    for form in others:
        command = order.start(form, schema)
        status, stdout, stderr = await run(command, timeout)
        try:
            return outcome(command, status, stdout, stderr, timeout=timeout)
        except ShimFailed:
            if status is None:  # one that hangs would do so again
                raise
        _kill_strays(order, begun)
    command = order.start(last, schema)
    status, stdout, stderr = await run(command, timeout)
    return outcome(command, status, stdout, stderr, timeout=timeout)


def _kill_strays(order: Order, begun: float) -> None:
    strays.kill_strays(order.bundle, namespace=order.namespace, id=order.id, since=begun)


def _undo(order: Order, notes: Notes, claim: Claim, begun: float) -> None:
    """Leave nothing of a start that failed; a container that was there is not its own to end."""
    notes.take_back()
    _kill_strays(order, begun)
    claim.undo()
