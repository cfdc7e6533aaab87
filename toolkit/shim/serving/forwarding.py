"""What publishers of both flavours send, and where to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolkit.errors import MessageError
from toolkit.shim.events import make_envelope
from toolkit.shim.topics import message_name

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema

__all__ = ["EVENTS_SERVICE", "envelope_of", "target_of"]

EVENTS_SERVICE = "containerd.services.events.ttrpc.v1.Events"


def target_of(address: str) -> str:
    """``TTRPC_ADDRESS`` as ``connect`` takes it; containerd writes a path."""
    return f"unix://{address}" if address.startswith("/") else address


def envelope_of(
    namespace: str, topic: str, event: Message | Mapping[str, Any], schema: Schema
) -> dict[str, Any]:
    """An envelope with the time of now.

    Raises:
        MessageError: the values do not fit, or containerd would refuse topic or namespace.
    """
    if not isinstance(event, Mapping):
        return make_envelope(namespace, event, topic=topic, schema=schema)
    name = message_name(topic)
    if name is None:
        raise MessageError(
            "Envelope", "event", f"{topic!r} is not known here: give a message, not its values"
        )
    return make_envelope(namespace, name, event, topic=topic, schema=schema)
