"""The schema of ``echo.proto``, and raw access to its calls."""

from __future__ import annotations

from pathlib import Path

import toolkit
from tests.support.frames import frame
from toolkit.rpc.envelope import encode_request, request_prefix

__all__ = ["ABSENT", "ECHO", "Message", "request_frame", "schema"]

schema = toolkit.load(Path(__file__).with_name("echo.proto"))
ECHO = schema.service("test.v1.Echo")
ABSENT = schema.service("test.v1.Absent")
Message = schema.message("test.v1.Message")


def request_frame(stream_id: int, method: str = "Unary", payload: bytes = b"") -> bytes:
    """A unary Request to the Echo service, as bytes."""
    return frame(stream_id, 1, 0, encode_request(request_prefix(ECHO.name, method), payload))
