"""NRI's multiplexer for blocking channels and servers: each connection becomes a socket."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
from typing import TYPE_CHECKING

from toolkit.errors import ConnectionClosed, ToolkitError
from toolkit.sockets import adopt_socket, hung_up, peer_of
from toolkit.wire.frame import READ_SIZE
from toolkit.wire.mux import MAX_WAITING, Branch, Trunk

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit.rpc.context import Peer
    from toolkit.wire.outbox import Outbox

__all__ = ["Mux"]

logger = logging.getLogger(__name__)

_SEND = getattr(socket, "MSG_NOSIGNAL", 0)
_HANGUP = select.POLLHUP | select.POLLERR


class Mux:
    """Several connections over one socket, as between containerd and an NRI plugin.

    ::

        with sync.Mux(trunk) as mux:
            runtime = sync.connect(mux.open(2))
            server.serve_connection(mux.open(1))

    A thread of its own moves the bytes. The mux has no way to say that a connection ends, so the
    peer sees nothing of a ``close`` until the trunk goes; then every connection ends.

    Nor can it say that its reader is behind: NRI's own ends the trunk when 256 payloads wait for
    one. Small messages share a payload here where they come together, which makes that rarer.

    The peer that a channel or a handler sees on such a connection is this process. Who is at the
    other end of the trunk, the mux knows.

    Args:
        trunk: a connected socket, or the number of a file descriptor that is one, such as NRI's
            ``NRI_PLUGIN_SOCKET``. The mux closes it.
        max_waiting: bytes that may wait for a reader on this side; more of them end the trunk.

    Attributes:
        peer: who is at the other end of the trunk.
    """

    def __init__(self, trunk: socket.socket | int, *, max_waiting: int = MAX_WAITING) -> None:
        self._socket = adopt_socket(trunk) if isinstance(trunk, int) else trunk
        self.peer: Peer = peer_of(self._socket, f"fd://{self._socket.fileno()}")
        self._socket.settimeout(0)
        # Guards what follows, and the sockets' being open; nothing that is done under it waits.
        self._lock = threading.Lock()
        self._trunk = Trunk(max_waiting=max_waiting)
        self._ends: dict[Branch, _End] = {}
        self._reason: ConnectionClosed | None = None  # why nothing more goes over the trunk
        self._pid = os.getpid()
        self._waker = socket.socketpair()
        for each in self._waker:
            each.settimeout(0)
        self._thread = threading.Thread(target=self._run, name="ttrpc-mux", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """Whether the trunk is gone, by either side."""
        return self._reason is not None

    @property
    def dropped_bytes(self) -> int:
        """What came for connections that nobody reads here."""
        return self._trunk.dropped_bytes

    def open(self, number: int) -> socket.socket:
        """The connection of this number, as a socket for ``connect`` or ``serve_connection``.

        What came for it before is still there, up to one of the longest messages.

        Raises:
            LocalProtocolError: no connection has this number, or it was opened before.
            ConnectionClosed: the trunk is gone.
        """
        with self._lock:
            if self._reason is not None:
                raise ConnectionClosed(self._reason.reason, by_peer=self._reason.by_peer)
            ours, theirs = socket.socketpair()
            try:
                branch = self._trunk.open(number)
            except BaseException:
                ours.close()
                theirs.close()
                raise
            self._ends[branch] = _End(ours)
            self._wake()
        return theirs

    def close(self) -> None:
        """Write what goes without waiting, then end the trunk and every connection."""
        with self._lock:
            if self._reason is None:
                self._take_all()
                self._end(ConnectionClosed("the mux was closed here", by_peer=False))
            for end in self._ends.values():
                end.is_over = True
            self._wake()
        self._thread.join()

    def __enter__(self) -> Mux:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Mux {self.peer.address} {state}, {sorted(self._trunk.branches)}>"

    def _run(self) -> None:
        poll = select.poll()
        while True:
            with self._lock:
                self._drop_ended()
                wanted = self._wanted()
                if len(wanted) == 1 and self._reason is not None:
                    break
            for fd, events in wanted.items():
                poll.register(fd, events)
            happened = dict(poll.poll())
            for fd in wanted:
                poll.unregister(fd)
            with self._lock:
                self._move(happened)
        for each in (self._socket, *self._waker):
            each.close()

    def _drop_ended(self) -> None:
        for branch, end in list(self._ends.items()):
            if end.is_over or (self._reason is not None and not branch.inbox.size):
                self._trunk.close(branch)
                end.socket.close()
                del self._ends[branch]

    def _wanted(self) -> dict[int, int]:
        """What to wait for, by file descriptor; the waker is always there."""
        wanted = {self._waker[0].fileno(): select.POLLIN}
        if self._reason is None:
            writes = select.POLLOUT if self._trunk.outbox.size else 0
            wanted[self._socket.fileno()] = select.POLLIN | writes
        takes = self._reason is None and not self._trunk.full
        for branch, end in self._ends.items():
            reads = select.POLLIN if takes and not end.is_read else 0
            writes = select.POLLOUT if branch.inbox.size else 0
            if reads or writes:
                wanted[end.socket.fileno()] = reads | writes
        return wanted

    def _move(self, happened: dict[int, int]) -> None:
        """One turn of everything that goes without waiting."""
        if happened.get(self._waker[0].fileno()):
            self._waker[0].recv(64)
        if happened.get(self._socket.fileno(), 0) & (select.POLLIN | _HANGUP):
            self._read_trunk()
        for branch, end in self._ends.items():
            if happened.get(end.socket.fileno(), 0) & (select.POLLIN | _HANGUP):
                self._take(branch, end)
        for branch, end in self._ends.items():
            if branch.inbox.size and not _write(end.socket, branch.inbox):
                self._trunk.close(branch)
        self._write_trunk()

    def _read_trunk(self) -> None:
        if self._reason is not None:
            return
        try:
            data = self._socket.recv(READ_SIZE)
            self._trunk.receive(data)
        except BlockingIOError:
            return
        except (OSError, ToolkitError) as exc:
            logger.warning("the trunk of %r broke: %s", self, exc)
            self._end(ConnectionClosed(f"the trunk broke: {exc}", by_peer=True))
            return
        if not data:
            where = " in the middle of a frame" if self._trunk.in_frame else ""
            self._end(ConnectionClosed(f"the peer closed the trunk{where}", by_peer=True))

    def _write_trunk(self) -> None:
        if self._reason is None and not _write(self._socket, self._trunk.outbox):
            self._trunk.outbox.clear()  # what the peer sent before it went is still to be read

    def _take(self, branch: Branch, end: _End) -> bool:
        """Read once from a connection of ours, for the trunk; False when there was nothing."""
        if end.is_read or self._reason is not None:
            return False
        try:
            data = end.socket.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            try:
                self._trunk.send(branch, data)
            except ToolkitError as exc:
                logger.warning("%r: %s", self, exc)
                end.is_over = True
        else:
            end.is_read = True
            end.is_over = hung_up(end.socket)
        return bool(data)

    def _take_all(self) -> None:
        for branch, end in self._ends.items():
            while not self._trunk.full and self._take(branch, end):
                pass
        self._write_trunk()

    def _end(self, reason: ConnectionClosed) -> None:
        self._reason = reason
        self._trunk.outbox.clear()
        if os.getpid() == self._pid:  # in a child process the trunk is still the parent's
            with contextlib.suppress(OSError):  # the peer may have gone first
                self._socket.shutdown(socket.SHUT_RDWR)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full, or closed: it wakes all the same
            self._waker[1].send(b"\0")


class _End:
    """This side of the pair that stands for a connection."""

    __slots__ = ("is_over", "is_read", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        sock.settimeout(0)
        self.is_read = False  # to the end
        self.is_over = False


def _write(sock: socket.socket, outbox: Outbox) -> bool:
    """Write what goes without waiting; False when the other side has gone."""
    try:
        while outbox.size:
            outbox.sent(sock.send(outbox.chunk(), _SEND))
    except BlockingIOError:
        outbox.sent(0)
    except OSError:
        return False
    return True
