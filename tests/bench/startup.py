"""What a user waits for before anything happens: ``ttrpc --help`` and a whole ``ttrpc call``."""

from __future__ import annotations

import sys
import tempfile
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import toolkit
from tests.bench.process import TTRPC, seconds
from tests.bench.row import Row, interleave
from toolkit import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

_ARGPARSE = [sys.executable, "-c", "import argparse"]
_PROTOBUF = [sys.executable, "-c", "from google.protobuf import descriptor_pool, message_factory"]
_STATE = "containerd.task.v3.Task/State"


def rows(rounds: int) -> Iterator[Row]:
    """Whole processes, against the import that neither can do without."""
    yield Row(
        "ttrpc --help, whole process / import argparse",
        interleave(lambda: seconds([*TTRPC, "--help"]), lambda: seconds(_ARGPARSE), rounds),
        limit=1.8,
    )
    with _server() as address, tempfile.TemporaryDirectory() as cache:
        command = [*TTRPC, "call", address, _STATE, "-d", '{"id": "web"}']
        yield Row(
            "ttrpc call, whole process, warm / import protobuf",
            interleave(
                lambda: seconds(command, XDG_CACHE_HOME=cache), lambda: seconds(_PROTOBUF), rounds
            ),
            limit=1.5,
        )


class _Task:
    def State(self, request: Any, context: Any) -> dict[str, Any]:
        return {"id": request.id, "pid": 42, "status": "RUNNING"}


@contextmanager
def _server() -> Iterator[str]:
    server = sync.Server()
    server.add(toolkit.load("containerd").service("containerd.task.v3.Task"), _Task())
    with tempfile.TemporaryDirectory() as folder:
        with server.listen(f"unix://{folder}/task.sock") as listener:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield str(listener.address)
        thread.join()
