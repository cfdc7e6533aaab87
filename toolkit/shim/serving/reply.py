"""The reply of ``delete``, encoded by hand.

``delete`` runs after every container, whatever became of its shim; loading protobuf would take
most of its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.shim.serving.records import Ended

__all__ = ["delete_response"]

_PID, _EXIT_STATUS, _EXITED_AT = 1, 2, 3  # containerd.task.v2.DeleteResponse
_SECONDS, _NANOS = 1, 2  # google.protobuf.Timestamp
_VARINT, _BYTES = 0, 2  # wire types


def delete_response(ended: Ended) -> bytes:
    """A ``containerd.task.v2.DeleteResponse``."""
    seconds, nanos = divmod(ended.at, 1_000_000_000)
    timestamp = _number(_SECONDS, seconds) + _number(_NANOS, nanos)
    return (
        _number(_PID, ended.pid)
        + _number(_EXIT_STATUS, ended.status)
        + bytes([_EXITED_AT << 3 | _BYTES, len(timestamp)])
        + timestamp
    )


def _number(field: int, value: int) -> bytes:
    return bytes([field << 3 | _VARINT, *_varint(value)]) if value else b""


def _varint(value: int) -> Iterator[int]:
    while value > 0x7F:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value
