"""What both flavours know of a shim that they have started: its process, files and place."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import NoSchema
from toolkit.rpc.address import parse
from toolkit.shim.bootstrap import write_bundle
from toolkit.shim.bundle import ADDRESS_FILE, BINARY_FILE, BOOTSTRAP_FILE
from toolkit.shim.driving import strays
from toolkit.sockets.owner import owners

if TYPE_CHECKING:
    from toolkit.rpc.interceptors import Call, Proceed
    from toolkit.shim.bootstrap import Bootstrap
    from toolkit.shim.driving.logpipe import LogPipe
    from toolkit.shim.driving.starting import Order

__all__ = ["Handle", "Notes", "Seen"]

_NOTES = (BOOTSTRAP_FILE, BINARY_FILE, ADDRESS_FILE)


class Seen:
    """An interceptor, of either flavour, that notes whether a container was to be made."""

    def __init__(self) -> None:
        self.created = False

    def __call__(self, call: Call, proceed: Proceed) -> Any:
        self.created = self.created or call.method.name == "Create"
        return proceed(call)


class Handle:
    """A started shim, without a channel to it.

    Attributes:
        id: the container's.
        namespace: containerd's.
        bundle: the container's folder.
        address: where it listens, as ``connect`` takes it.
        version: of the task API that it speaks, 2 or 3.
        pid: the shim's own process; 0 where this user may not see it.
        order: what was asked for.
        own: whether its process was begun by this start; one that was there before may have other
            containers, and is not ours to end.
    """

    def __init__(
        self,
        order: Order,
        bootstrap: Bootstrap,
        log: LogPipe,
        notes: Notes,
        seen: Seen,
        *,
        listener: int | None,
        begun: float,
    ) -> None:
        """Look for the process that listens.

        Args:
            order: what was asked for.
            bootstrap: what the shim answered.
            log: the fifo that it logs to.
            notes: what was put into the bundle.
            seen: what was called.
            listener: the process that the kernel names as the peer of a connection.
            begun: when it was started, as ``strays.now`` tells it.
        """
        self.id = order.id
        self.namespace = order.namespace
        self.bundle = order.bundle
        self.address = bootstrap.channel_address
        self.version = bootstrap.version
        self.order = order
        self._log = log
        self._notes = notes
        self._seen = seen
        self.pid, self._pidfd = _process(self.address, listener)
        self.own = self._is_own(begun)

    def _is_own(self, begun: float) -> bool:
        if not self.pid:
            return False
        try:
            ours = strays.is_shim_of(self.pid, self.bundle, self.namespace, self.id)
            return ours and strays.begun_since(self.pid, begun)
        except OSError:  # it has ended already
            return False

    @property
    def log(self) -> str:
        """The last 64 KiB of what the shim has logged."""
        return self._log.text

    @property
    def alive(self) -> bool:
        """Whether its process runs, as far as this user may see it."""
        return self._pidfd >= 0 and not self.wait(0)

    def fileno(self) -> int:
        """A pidfd of its process, readable when that has ended; -1 where it cannot be seen."""
        return self._pidfd

    def wait(self, timeout: float) -> bool:
        """Whether its process has ended within so many seconds; True where it cannot be seen."""
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    @property
    def created(self) -> bool:
        """Whether Create has been called, answered or not."""
        return self._seen.created

    def kill(self) -> None:
        """Kill the process, if it is ours."""
        if self.own and self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def clear(self) -> None:
        """Remove what the start has put into the bundle, and the socket of a shim that is ours."""
        self._log.remove()
        self._notes.take_back()
        path = self.address.removeprefix("unix://")
        if self.own and path != self.address and not path.startswith("@"):
            Path(path).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Forget the process; twice is fine."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1


class Notes:
    """What is put into a bundle so that others find its shim, as containerd puts it there."""

    def __init__(self, bundle: Path) -> None:
        """Remember what is there before anything is started."""
        self._bundle = bundle
        self._before = {name: _content(bundle / name) for name in _NOTES}

    def write(self, order: Order, bootstrap: Bootstrap) -> None:
        """Say which shim it is and where it listens."""
        (self._bundle / BINARY_FILE).write_text(order.binary)
        write_bundle(self._bundle, bootstrap)

    def take_back(self) -> None:
        """Leave the files as they were, also the one that old shims write themselves."""
        for name, data in self._before.items():
            path = self._bundle / name
            if data is None:
                path.unlink(missing_ok=True)
            elif _content(path) != data:
                path.write_bytes(data)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def _process(address: str, listener: int | None) -> tuple[int, int]:
    """The live process behind a socket and a pidfd of it; 0 and -1 where it cannot be seen."""
    with contextlib.suppress(NoSchema, OSError):
        for owner in owners(parse(address), listener):
            return owner.pid, os.pidfd_open(owner.pid)
    return 0, -1
