"""One stream: which side may still send, and what a frame means for it.

All transitions are in the two tables of this file, and the file does not know whether it is
used by a client or by a server.
"""

from __future__ import annotations

import enum

from toolkit.errors import LocalProtocolError
from toolkit.wire.events import EventType
from toolkit.wire.frame import NO_DATA, REMOTE_CLOSED

__all__ = ["RECEIVE", "SEND", "Input", "Side", "Stream", "input_of"]


class Side(enum.Enum):
    """One direction of a stream."""

    OPEN = "open"
    CLOSED = "closed"

    __hash__ = object.__hash__  # enum's own is Python code, run for each message


class Input(enum.Enum):
    """What a Data frame says, by its flags."""

    MESSAGE = "a message"
    LAST_MESSAGE = "a message and the end"
    END = "the end"
    NOTHING = "nothing"

    __hash__ = object.__hash__


_OPEN, _CLOSED, _MESSAGE = Side.OPEN, Side.CLOSED, Input.MESSAGE  # looked up for each message

# What a Data frame does to the direction that it comes from. No entry: it is not allowed.
RECEIVE: dict[tuple[Side, Input], tuple[Side, tuple[EventType, ...]]] = {
    (Side.OPEN, Input.MESSAGE): (Side.OPEN, (EventType.MESSAGE,)),
    (Side.OPEN, Input.LAST_MESSAGE): (Side.CLOSED, (EventType.MESSAGE, EventType.CLOSED)),
    (Side.OPEN, Input.END): (Side.CLOSED, (EventType.CLOSED,)),
    (Side.OPEN, Input.NOTHING): (Side.OPEN, ()),
}

# What may be sent, and the state after it. LAST_MESSAGE and NOTHING are never sent: Go answers
# a last message that has data with an error *and* handles it (server.go, "data close message
# cannot include data").
SEND: dict[tuple[Side, Input], Side] = {
    (Side.OPEN, Input.MESSAGE): Side.OPEN,
    (Side.OPEN, Input.END): Side.CLOSED,
}


def input_of(flags: int) -> Input:
    """What a Data frame with these flags says.

    PROTOCOL.md, Data: a frame of length 0 without the no-data flag *is* a message, the empty one.
    """
    if not flags:
        return _MESSAGE
    if flags & NO_DATA:
        # Bytes beside "no data" are a contradiction that Go resolves in favour of the flag.
        return Input.END if flags & REMOTE_CLOSED else Input.NOTHING
    return Input.LAST_MESSAGE if flags & REMOTE_CLOSED else Input.MESSAGE


class Stream:
    """The life of one stream id.

    Attributes:
        id: the number on the wire.
        local, remote: which directions are open for messages.
        finished: nothing may be sent any more, and what still comes is late.
    """

    __slots__ = ("finished", "id", "local", "remote")

    def __init__(self, stream_id: int) -> None:
        self.id = stream_id
        self.local = _CLOSED
        self.remote = _CLOSED
        self.finished = False

    def __repr__(self) -> str:
        state = "finished" if self.finished else f"{self.local.value}/{self.remote.value}"
        return f"<Stream {self.id} {state}>"

    def receive(self, what: Input) -> tuple[EventType, ...] | None:
        """The events of a Data frame; None when it is not allowed now."""
        step = RECEIVE.get((self.remote, what))
        if step is None:
            return None
        self.remote, events = step
        return events

    def send(self, what: Input) -> None:
        """Note that this is being sent.

        Raises:
            LocalProtocolError: it is not allowed any more, or never was.
        """
        if self.finished:
            raise LocalProtocolError(
                f"cannot send {what.value}: stream {self.id} is over; receive() tells how it ended"
            )
        side = SEND.get((self.local, what))
        if side is None:
            raise LocalProtocolError(
                f"cannot send {what.value}: this side of stream {self.id} is closed for messages"
            )
        self.local = side
