"""Events with their types: out of the envelopes that containerd's services carry, and into them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import MessageError, RawAny
from toolkit.schema.load import load
from toolkit.shim.topics import TASK_UNKNOWN, topic_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from toolkit.schema.anys import AnyLike
    from toolkit.schema.pool import Schema

__all__ = ["Event", "from_request", "make_envelope"]

_SECOND = 1_000_000_000  # nanoseconds
# containerd pkg/identifiers/validate.go: of a namespace, and of each part of a topic.
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_IDENTIFIER_LENGTH = 76


class Event(NamedTuple):
    """What has happened to what, when and in which namespace.

    Attributes:
        time_nano: when it was published, in nanoseconds since 1970; 0 where that is not said.
        namespace: containerd's.
        topic: ``/tasks/exit``; the constants are in ``toolkit.shim.topics``.
        message: the event itself, such as a ``containerd.events.TaskExit``; the Any as it came
            where its type is not known, or its bytes are none of its type.
        raw: the Any as it came.
    """

    time_nano: int
    namespace: str
    topic: str
    message: Any
    raw: RawAny

    @property
    def type(self) -> str:
        """The full name of the event's type."""
        return self.raw.type_url.rpartition("/")[2]

    @property
    def decoded(self) -> bool:
        """Whether ``message`` is the event, and not the Any that holds it."""
        return self.message is not self.raw

    @property
    def time(self) -> datetime:
        """When it was published, to the microsecond."""
        from datetime import UTC, datetime, timedelta  # 1 ms that few pay

        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self.time_nano // 1000)


def from_request(request: Any, schema: Schema | None = None) -> Event:
    """The event in a ForwardRequest, or in an Envelope itself; of any containerd line.

    Args:
        request: what came.
        schema: knows the type of the event, itself or by a companion; the newest containerd's by
            default, which knows the events of every line.
    """
    known = schema if schema is not None else load("containerd")
    is_envelope = "event" in request.DESCRIPTOR.fields_by_name
    envelope = request if is_envelope else request.envelope
    raw = RawAny(envelope.event.type_url, envelope.event.value)
    at = envelope.timestamp
    return Event(
        at.seconds * _SECOND + at.nanos,
        envelope.namespace,
        envelope.topic,
        _message(raw, known),
        raw,
    )


def _message(raw: RawAny, schema: Schema) -> Any:
    # Asked first: an error that names the nearest types takes a hundred times as long.
    if schema.lookup(raw.type_url.rpartition("/")[2]) is None:
        return raw
    try:
        return schema.unpack(raw)
    except MessageError:
        return raw


def make_envelope(
    namespace: str,
    message: Message | str,
    values: Message | Mapping[str, Any] | None = None,
    *,
    topic: str = "",
    time_nano: int | None = None,
    schema: Schema | None = None,
) -> dict[str, Any]:
    """An envelope as a mapping, which goes into the requests of any containerd line.

    ::

        envelope = make_envelope("default", "containerd.events.TaskOOM", {"container_id": "web"})
        channel.call(forward, {"envelope": envelope})

    Args:
        namespace: containerd's, such as ``default``.
        message: the event, or the name of its type.
        values: what ``message`` names, as a message or a mapping.
        topic: by default the one that belongs to the type.
        time_nano: when, in nanoseconds since 1970; now by default.
        schema: of the event, when that is given by its name; the newest containerd's by default.

    Raises:
        SymbolNotFound: there is no such type.
        MessageError: the values do not fit; or containerd would refuse the envelope, for its
            namespace, or for a topic that is missing or is none.
    """
    if time_nano is None:
        import time

        time_nano = time.time_ns()
    packed = _packed(message, values, schema)
    found = topic or topic_of(packed.type_url)
    _check(namespace, found, packed.type_url)
    seconds, nanos = divmod(time_nano, _SECOND)
    return {
        "timestamp": {"seconds": seconds, "nanos": nanos},
        "namespace": namespace,
        "topic": found,
        "event": {"type_url": packed.type_url, "value": packed.value},
    }


def _packed(message: Any, values: Any, schema: Schema | None) -> AnyLike:
    known = schema if schema is not None else load("containerd")
    packed: AnyLike = known.pack(message, values)
    return packed


def _check(namespace: str, topic: str, type_url: str) -> None:
    # Its GetTopic gives this for what has no topic, and its exchange then refuses the "?".
    if topic == TASK_UNKNOWN:
        raise MessageError(
            "Envelope",
            "topic",
            f"{type_url} has no topic of its own: say which; containerd refuses {TASK_UNKNOWN}",
        )
    if not _is_identifier(namespace):
        raise MessageError(
            "Envelope",
            "namespace",
            f"{namespace!r} is no namespace; want letters and digits,"
            " separated by . _ or -, 76 at most",
        )
    if not topic.startswith("/") or not all(map(_is_identifier, topic[1:].split("/"))):
        raise MessageError("Envelope", "topic", f"{topic!r} is no topic; want /tasks/exit or alike")


def _is_identifier(text: str) -> bool:
    return len(text) <= _IDENTIFIER_LENGTH and _IDENTIFIER.fullmatch(text) is not None
