"""Running command lines in this process, and servers for them to call."""

from __future__ import annotations

import contextlib
import io
import tempfile
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from toolkit import sync
from toolkit.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from toolkit.schema.method import Service

__all__ = ["Outcome", "Task", "serving", "ttrpc"]


class Outcome(NamedTuple):
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


def ttrpc(*argv: str | Path, stdin: bytes = b"") -> Outcome:
    """Run one command line."""
    out, err, given = (io.TextIOWrapper(io.BytesIO(data), "utf-8") for data in (b"", b"", stdin))
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch("sys.stdin", given),
    ):
        code = main([str(argument) for argument in argv])
    return Outcome(code, _text(out), _text(err))


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(errors="surrogateescape")


@contextlib.contextmanager
def serving(
    *services: tuple[Service, object], setup: Callable[[sync.Server], object] | None = None
) -> Iterator[str]:
    """The address of a server with these services, each with its implementation."""
    server = sync.Server()
    for service, implementation in services:
        server.add(service, implementation)
    if setup is not None:
        setup(server)
    with tempfile.TemporaryDirectory() as folder:
        with server.listen(f"unix://{folder}/test.sock") as listener:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield listener.address
        thread.join()


class Task:
    """State as a shim answers it; remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.contexts: list[Any] = []

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        self.requests.append(request)
        self.contexts.append(context)
        return {"id": request.id, "pid": 42, "status": "RUNNING"}
