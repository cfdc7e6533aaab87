"""Start a shim without containerd, drive it, and leave nothing of it: for blocking callers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from toolkit import sync
from toolkit.schema.load import load
from toolkit.shim.bundle import LOG
from toolkit.shim.driving import strays
from toolkit.shim.driving.claim import Claim
from toolkit.shim.driving.eventserver import EventServer
from toolkit.shim.driving.handle import Handle, Notes, Seen
from toolkit.shim.driving.logpipe import LogPipe
from toolkit.shim.driving.logreader import LogReader
from toolkit.shim.driving.program import run
from toolkit.shim.driving.running import Shim
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

__all__ = ["start"]


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
