"""What the wire tells the layer above."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from toolkit.errors import ToolkitError

__all__ = ["Event", "EventType"]


class EventType(enum.Enum):
    """The kinds of event, with what comes in the third place of its tuple."""

    # To a server: a Request, as bytes. Answer with `accept` or `respond` before taking the next
    # event: what a later frame on this stream means depends on it.
    REQUEST = "request"
    # To a client: the Response, as bytes. The stream is finished.
    RESPONSE = "response"
    # One message of a stream, as bytes.
    MESSAGE = "message"
    # None: the peer sends no more messages. To a client the stream is then finished.
    CLOSED = "closed"
    # The error that this stream, and only this stream, ends with. A server still has to
    # `respond` with it, unless the stream is finished.
    FAILED = "failed"


# The stream is of the class that its connection makes. A plain tuple: one is made for every frame,
# and a NamedTuple costs ten times as much.
Event: TypeAlias = "tuple[EventType, Any, bytes | ToolkitError | None]"
