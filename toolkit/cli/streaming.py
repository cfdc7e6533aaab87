"""A streaming call of ``ttrpc call``: messages out of the data, replies as they come."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from toolkit.cli import hints
from toolkit.cli.errors import SUCCESS, CommandError
from toolkit.cli.output import data
from toolkit.errors import ProtocolError, RpcError, TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.cli.sources import Sources
    from toolkit.schema.method import Method
    from toolkit.sync import Stream

__all__ = ["check", "run"]


def check(sources: Sources, method: Method, documents: Sequence[str]) -> None:
    """Refuse a stream that nobody asked for by its schema, and data that does not fit it."""
    path = method.path.lstrip("/")
    if not sources.options.schema and not _is_told(sources, method):
        raise CommandError(
            f"{path} streams, and the peer does not tell that it has it; name its schema with -s:"
            " shims have died of a stream that they do not know, so it is not guessed"
        )
    if not method.kind.client_streaming and len(documents) > 1:
        raise CommandError(f"{path} takes one message; the data holds {len(documents)}")


def _is_told(sources: Sources, method: Method) -> bool:
    """Whether the peer itself has said that it has the service of a method.

    Its binary may hold services that it does not offer at this socket; then it is asked, by a
    unary call that does nothing.
    """
    found, peer, service = sources.found, sources.peer, method.service
    if found is None or peer is None or not sources.is_own(service.schema):
        return False
    if found.services is not None:
        return service.name in found.services
    return peer.has(service.name)


def run(
    sources: Sources,
    method: Method,
    messages: Sequence[Any],
    metadata: dict[str, list[str]],
    started: float,
) -> int:
    """Send the messages, print every reply; the exit code says how it ended."""
    from toolkit.rpc.stream import SETTLE  # the stack of protocols, which `--help` does without

    assert sources.peer is not None
    options, channel = sources.options, sources.peer.channel
    received, failure = 0, None
    schema = method.service.schema
    try:
        with channel.stream(
            method, timeout=hints.time_left(options, started), metadata=metadata, settle=SETTLE
        ) as stream:
            sender = _start_sending(stream, method, messages)
            for reply in stream:
                received += 1
                data(schema.to_json(reply, defaults=options.emit_defaults))
            sender.join()
    except RpcError as exc:
        failure = exc
    finally:
        hints.say_counts(options, len(messages), received, started)
    return SUCCESS if failure is None else hints.failed(failure, method, sources)


def _start_sending(stream: Stream, method: Method, messages: Sequence[Any]) -> threading.Thread:
    """Send in a thread of its own, so that replies show while messages still go out."""
    if not method.kind.client_streaming:
        stream.send(messages[0] if messages else None)
        messages = ()

    def send() -> None:
        try:
            for message in messages:
                stream.send(message)
            stream.close_send()
        except (RpcError, ProtocolError, TransportError):
            pass  # whoever receives gets to know why

    thread = threading.Thread(target=send, name="ttrpc-send", daemon=True)
    thread.start()
    return thread
