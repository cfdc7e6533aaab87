"""NRI's multiplexer for asyncio channels and servers: each connection becomes a socket."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING

from toolkit.errors import ConnectionClosed, ToolkitError
from toolkit.sockets import adopt_socket, hung_up, peer_of
from toolkit.wire.frame import READ_SIZE
from toolkit.wire.mux import MAX_WAITING, Branch, Trunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from toolkit.rpc.context import Peer
    from toolkit.wire.outbox import Outbox

__all__ = ["Mux"]

logger = logging.getLogger(__name__)

_SEND = getattr(socket, "MSG_NOSIGNAL", 0)


class Mux:
    """Several connections over one socket, as between containerd and an NRI plugin.

    ::

        async with aio.Mux(trunk) as mux:
            runtime = await aio.connect(mux.open(2))
            await server.serve_connection(mux.open(1))

    The mux has no way to say that a connection ends, so the peer sees nothing of a ``close`` until
    the trunk goes; then every connection ends.

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
        sock = adopt_socket(trunk) if isinstance(trunk, int) else trunk
        self.peer: Peer = peer_of(sock, f"fd://{sock.fileno()}")
        self._loop = asyncio.get_running_loop()
        self._trunk = Trunk(max_waiting=max_waiting)
        self._line = _Line(sock, self._trunk.outbox, self._read_trunk, self._trunk_written)
        self._ends: dict[Branch, _Line] = {}
        self._reason: ConnectionClosed | None = None  # why nothing more goes over the trunk
        self._ended = self._loop.create_future()
        self._line.resume()

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
        if self._reason is not None:
            raise ConnectionClosed(self._reason.reason, by_peer=self._reason.by_peer)
        ours, theirs = socket.socketpair()
        try:
            branch = self._trunk.open(number)
        except BaseException:
            ours.close()
            theirs.close()
            raise
        end = self._ends[branch] = _Line(
            ours, branch.inbox, lambda: self._take(branch), lambda: self._written(branch)
        )
        end.resume()
        end.write()
        return theirs

    def close(self) -> None:
        """Write what goes without waiting, then end the trunk and every connection."""
        if self._reason is None:
            self._take_all()
            self._end(ConnectionClosed("the mux was closed here", by_peer=False))
        for branch in list(self._ends):
            self._drop(branch)

    async def wait_closed(self) -> None:
        """Wait until the trunk is gone, by either side, and what it brought has been read."""
        await asyncio.shield(self._ended)

    async def __aenter__(self) -> Mux:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Mux {self.peer.address} {state}, {sorted(self._trunk.branches)}>"

    def _read_trunk(self) -> None:
        try:
            data = self._line.socket.recv(READ_SIZE)
            self._trunk.receive(data)
        except BlockingIOError:
            return
        except (OSError, ToolkitError) as exc:
            logger.warning("the trunk of %r broke: %s", self, exc)
            self._end(ConnectionClosed(f"the trunk broke: {exc}", by_peer=True))
            return
        for branch, end in list(self._ends.items()):
            if branch.inbox.size and not end.write():
                self._trunk.close(branch)
        if not data:
            where = " in the middle of a frame" if self._trunk.in_frame else ""
            self._end(ConnectionClosed(f"the peer closed the trunk{where}", by_peer=True))

    def _take(self, branch: Branch) -> bool:
        """Read once from a connection of ours, for the trunk; False when there was nothing."""
        end = self._ends[branch]
        try:
            data = end.socket.recv(READ_SIZE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._send(branch, data)
        else:
            end.is_read = True
            end.pause()
            if hung_up(end.socket):
                self._drop(branch)
        return bool(data)

    def _send(self, branch: Branch, data: bytes) -> None:
        try:
            self._trunk.send(branch, data)
        except ToolkitError as exc:
            logger.warning("%r: %s", self, exc)
            self._ends[branch].is_read = True
            self._drop(branch)
        if not self._line.write():
            self._trunk.outbox.clear()  # what the peer sent before it went is still to be read
        if self._trunk.full:
            for end in self._ends.values():
                end.pause()

    def _trunk_written(self) -> None:
        if not self._line.write():
            self._trunk.outbox.clear()
        if not self._trunk.full:
            for end in self._ends.values():
                end.resume()

    def _written(self, branch: Branch) -> None:
        """There is room for what came for a connection of ours."""
        if not self._ends[branch].write():
            self._trunk.close(branch)
        if self._reason is not None and not branch.inbox.size:
            self._drop(branch)

    def _take_all(self) -> None:
        for branch, end in list(self._ends.items()):
            while not end.is_read and not self._trunk.full and self._take(branch):
                pass

    def _end(self, reason: ConnectionClosed) -> None:
        """Nothing more goes over the trunk; what it brought is still handed on."""
        self._reason = reason
        self._trunk.outbox.clear()
        self._line.close()
        for branch, end in list(self._ends.items()):
            end.pause()
            if not branch.inbox.size:
                self._drop(branch)
        self._finish()

    def _drop(self, branch: Branch) -> None:
        self._trunk.close(branch)
        self._ends.pop(branch).close()
        self._finish()

    def _finish(self) -> None:
        if self._reason is not None and not self._ends and not self._ended.done():
            self._ended.set_result(None)


class _Line:
    """A socket in the loop: the trunk, or this side of the pair that stands for a connection."""

    __slots__ = ("_loop", "_outbox", "_read", "_reads", "_writes", "_written", "is_read", "socket")

    def __init__(
        self,
        sock: socket.socket,
        outbox: Outbox,
        read: Callable[[], object],
        written: Callable[[], None],
    ) -> None:
        self.socket = sock
        sock.settimeout(0)
        self.is_read = False  # to the end
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._read = read
        self._written = written
        self._reads = False
        self._writes = False

    def resume(self) -> None:
        """Call ``read`` when there is something to be read."""
        if not self._reads and not self.is_read:
            self._reads = True
            self._loop.add_reader(self.socket, self._read)

    def pause(self) -> None:
        """Leave unread what comes."""
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self.socket)

    def write(self) -> bool:
        """Write what goes without waiting, the rest later; False when the other side has gone."""
        outbox = self._outbox
        gone = False
        try:
            while outbox.size:
                outbox.sent(self.socket.send(outbox.chunk(), _SEND))
        except BlockingIOError:
            outbox.sent(0)
        except OSError:
            gone = True
        self._watch(writes=bool(outbox.size) and not gone)
        return not gone

    def close(self) -> None:
        """Leave the loop, and close."""
        self.pause()
        self._watch(writes=False)
        with contextlib.suppress(OSError):  # the peer may have gone first
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _watch(self, *, writes: bool) -> None:
        if writes and not self._writes:
            self._loop.add_writer(self.socket, self._written)
        elif self._writes and not writes:
            self._loop.remove_writer(self.socket)
        self._writes = writes
