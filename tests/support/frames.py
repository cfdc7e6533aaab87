"""Frames as test data: building them, reading them back, and cutting bytes into chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.wire.frame import HEADER, FrameReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.wire.connection import Connection
    from toolkit.wire.events import Event

REQUEST, RESPONSE, DATA = 1, 2, 3


def frame(stream_id: int, message_type: int, flags: int = 0, data: bytes = b"") -> bytes:
    """One frame."""
    return HEADER.pack(len(data), stream_id, message_type, flags) + data


def sent(connection: Connection) -> list[tuple[int, int, int, bytes | None]]:
    """The frames in an outbox, which is empty afterwards."""
    out = bytearray()
    while connection.outbox.size:
        chunk = connection.outbox.chunk()
        out += chunk
        connection.outbox.sent(len(chunk))
    return [each[:4] for each in FrameReader().receive(bytes(out))]


def chunked(data: bytes, size: int) -> Iterator[bytes]:
    """The same bytes in chunks of this many."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def plain(event: Event) -> tuple[str, int, object]:
    """An event that compares by value."""
    kind, stream, body = event
    return kind.name, stream.id, str(body) if isinstance(body, Exception) else body
