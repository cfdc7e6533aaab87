"""``delete``: ends what is left of a container whose shim has died.

containerd calls it whenever the connection to a shim has gone, also after an orderly end.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.shim.bundle import ADDRESS_FILE
from toolkit.shim.invocation import InvocationError, socket_address
from toolkit.shim.serving.context import Bundle
from toolkit.shim.serving.records import KILLED, Ended, end_recorded
from toolkit.shim.serving.reply import delete_response
from toolkit.shim.serving.sockets import remove_dead

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.shim.invocation import Invocation
    from toolkit.shim.serving.context import Program

__all__ = ["delete"]


def delete(invocation: Invocation, program: Program) -> int:
    """Kill the processes, remove the socket, and print how the container ended."""
    path = invocation.bundle or os.getcwd()  # noqa: PTH109  # no Path: few bytes, much time
    bundle = Bundle(invocation.namespace, invocation.id, path)
    ended = end_recorded(path) if program.cleanup is None else program.cleanup(bundle)
    for socket in _sockets(invocation, Path(path), program.socket_dir):
        remove_dead(socket)
    reply = delete_response(ended or Ended(0, KILLED, time.time_ns()))
    os.write(1, reply)
    return 0


def _sockets(invocation: Invocation, bundle: Path, folder: str) -> Iterator[str]:
    """Where the shim may have listened."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        address = (bundle / ADDRESS_FILE).read_text()
        if address.startswith("unix:///"):
            yield address.removeprefix("unix://")
    with contextlib.suppress(InvocationError):
        address = socket_address(
            invocation.namespace, invocation.id, address=invocation.address, socket_dir=folder
        )
        yield address.removeprefix("unix://")
