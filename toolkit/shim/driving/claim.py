"""One start at a time for a bundle, and none where a shim for the container runs already."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.shim.bootstrap import BootstrapError, read_bundle
from toolkit.shim.driving.starting import ShimFailed
from toolkit.shim.driving.strays import shims_of
from toolkit.shim.invocation import DEFAULT_SOCKET_DIR, socket_address
from toolkit.sockets.listening import is_live

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.shim.driving.starting import Order

__all__ = ["Claim"]


class Claim:
    """A bundle that one start at a time may have, and keeps until its shim has ended."""

    def __init__(self, order: Order) -> None:
        """Take the bundle, unless a shim for this container runs.

        Raises:
            ShimFailed: one does, or is being started; the text says where.
        """
        self._socket: Path | None = None
        self._descriptor = os.open(order.bundle, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ShimFailed(f"another start has the bundle {order.bundle}") from None
            self._refuse_another(order)
        except BaseException:
            self.release()
            raise

    def _refuse_another(self, order: Order) -> None:
        name = f"{order.namespace}/{order.id}"
        for address in _addresses(order):
            if _listens(address):
                raise ShimFailed(
                    f"a shim for {name} listens at {address} already; shim.connect drives it"
                )
        running = shims_of(order.bundle, namespace=order.namespace, id=order.id)
        if running:
            raise ShimFailed(
                f"a shim for {name} runs in {order.bundle} already, as process {running[0]}; "
                "ttrpc doctor tells how it is"
            )
        path = _path(_computed(order))
        if path is not None and not os.path.exists(path):  # noqa: PTH110  # as in _listens
            self._socket = Path(path)

    def note(self, address: str) -> None:
        """Note where the shim says that it listens."""
        path = _path(address)
        if path is not None:
            self._socket = Path(path)

    def undo(self) -> None:
        """Remove the socket that a start left which failed; a live one stays."""
        if self._socket is not None and not _listens(f"unix://{self._socket}"):
            self._socket.unlink(missing_ok=True)

    def release(self) -> None:
        """Give the bundle back; twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _computed(order: Order) -> str:
    """Where containerd's rule puts the socket of this container's shim."""
    folder = order.socket_dir or DEFAULT_SOCKET_DIR
    return socket_address(order.namespace, order.id, address=order.address, socket_dir=folder)


def _addresses(order: Order) -> Iterator[str]:
    """Where a shim of this container would be."""
    with contextlib.suppress(BootstrapError, OSError):
        noted = read_bundle(order.bundle)
        if noted is not None:
            yield noted.channel_address
    yield _computed(order)


def _listens(address: str) -> bool:
    """Whether somebody listens at a unix socket that this user may see; False for other kinds."""
    path = _path(address)
    # os.path answers False where Path raises: in a folder that this user may not look into.
    return path is not None and os.path.exists(path) and is_live(path)  # noqa: PTH110


def _path(address: str) -> str | None:
    """The file of a unix socket's address; None for all others."""
    path = address.removeprefix("unix://")
    return None if path == address or path.startswith("@") else path
