"""What helps when a call did not end well: what was counted, what was guessed, what to look at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from toolkit.cli.errors import CommandError, exit_code, print_status
from toolkit.cli.output import counted, note
from toolkit.errors import ConnectionClosed
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.cli.arguments import Options
    from toolkit.cli.sources import Sources
    from toolkit.errors import RemoteProtocolError, RpcError
    from toolkit.schema.method import Method
    from toolkit.sync import Channel

__all__ = ["failed", "lacks_service", "lost", "say_counts", "time_left"]

_LEAST = 0.001  # seconds; a deadline of none would be a mistake of ours

_SIBLINGS = {
    "containerd.task.v2.Task": "containerd.task.v3.Task",
    "containerd.task.v3.Task": "containerd.task.v2.Task",
}


def lacks_service(error: RpcError, method: Method) -> bool:
    """Whether a refusal says that the server has not even the service."""
    # Go: UNIMPLEMENTED (before 1.1 NOT_FOUND), "service X". Rust: INVALID_ARGUMENT,
    # "X service does not exist" or "/X/m does not exist".
    service = method.service.name
    return error.code is Code.UNIMPLEMENTED or (
        error.code in {Code.INVALID_ARGUMENT, Code.NOT_FOUND}
        and error.message.removesuffix(" does not exist")
        in {f"service {service}", f"{service} service", method.path}
    )


def failed(
    error: RpcError, method: Method, sources: Sources, *, refused: Sequence[str] = ()
) -> int:
    """Print the status, and what may explain it; the exit code.

    Args:
        error: the status.
        method: that was called.
        sources: of its schema.
        refused: the services that the peer has said it lacks.
    """
    options = sources.options
    if options.verbose:
        note("")
    schema, path = method.service.schema, method.path.lstrip("/")
    print_status(error, schema)
    name = options.arguments[1]
    if error.code is Code.UNIMPLEMENTED and not _is_full(name, method):
        what = "name it in full" if options.schema else "name it in full, or its schema with -s"
        note(f"({name!r} was taken for {path} of {schema.name}; for another, {what})")
    if lacks_service(error, method):
        _name_sibling(method, sources, refused)
    if (
        error.code in {Code.NOT_FOUND, Code.INVALID_ARGUMENT}
        and options.data is None
        and not _is_filled(method, sources)
        and method.descriptor.input_type.fields
    ):
        note("(no -d: the request was empty)")
    return exit_code(error)


def _is_filled(method: Method, sources: Sources) -> bool:
    """Whether the address has filled the request."""
    from toolkit.cli.request import id_in_place

    shim = sources.peer.shim if sources.peer is not None else None
    return shim is not None and bool(id_in_place(sources.options, method, shim.id))


def _name_sibling(method: Method, sources: Sources, refused: Sequence[str]) -> None:
    """Of a Task service that is not there say that the other version is, if it is."""
    version = _SIBLINGS.get(method.service.name)
    if version is not None and version not in refused and _has(version, sources):
        note(f"(this peer has {version}: call {version}/{method.name})")


def _has(service: str, sources: Sources) -> bool:
    found, peer = sources.found, sources.peer
    if found is not None and not found.release:
        return any(one.name == service for schema in found.schemas for one in schema.services())
    return peer is not None and peer.has(service)


def _is_full(name: str, method: Method) -> bool:
    return name.lstrip("./").replace("/", ".") == method.full_name


def lost(
    error: ConnectionClosed | RemoteProtocolError, channel: Channel, what: str
) -> CommandError:
    """A connection that ended without a reply: its server died, or it speaks something else."""
    counters = channel.counters
    closed = isinstance(error, ConnectionClosed)
    text = f"{error} before it answered {what}" if closed else str(error)
    if counters.frames_received:
        return CommandError(f"{text}; it may have crashed: see its log" if closed else text)
    question = (
        f"is {channel.address} a TTRPC socket? "
        "(containerd's is containerd.sock.ttrpc; its containerd.sock speaks gRPC)"
    )
    if counters.bytes_received:
        what = f"it has sent {counters.bytes_received} bytes and no TTRPC frame"
        return CommandError(f"{text}; {what}: {question}")
    return CommandError(f"{text}; it may have crashed: see its log. Or {question}")


def time_left(options: Options, started: float) -> float | None:
    """Seconds that are left of ``--max-time``, however few; None without one."""
    if options.max_time is None:
        return None
    return max(options.max_time - (time.monotonic() - started), _LEAST)


def say_counts(options: Options, sent: int, received: int, started: float) -> None:
    """Say under ``-v`` how much went over and in which time; ``started`` is monotonic."""
    if not options.verbose:
        return
    milliseconds = (time.monotonic() - started) * 1000
    note(
        f"\nSent {counted(sent, 'request')} and received {counted(received, 'response')}"
        f" in {milliseconds:.1f} ms"
    )
