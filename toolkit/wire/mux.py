"""NRI's multiplexer: several connections over one, the trunk.

A frame of the trunk is the number of a connection, the length of a payload, and the payload. There
is no frame that opens or closes a connection: both ends know the numbers (NRI: 1 for the calls to
the plugin, 2 for those to the runtime).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from toolkit.errors import LocalProtocolError, RemoteProtocolError
from toolkit.wire.frame import HEADER as FRAME_HEADER
from toolkit.wire.frame import HEADER_SIZE as FRAME_HEADER_SIZE
from toolkit.wire.frame import MAX_DATA
from toolkit.wire.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_PAYLOAD", "MAX_WAITING", "Branch", "Trunk"]

HEADER = struct.Struct(">II")  # connection, payload length
HEADER_SIZE = HEADER.size
MAX_PAYLOAD = FRAME_HEADER_SIZE + MAX_DATA  # NRI mux.go, maxPayloadSize: one TTRPC frame
MAX_CONNECTION = (1 << 32) - 1

# What NRI's reader can take. Its mux gives each payload to one Read, which fails for good when
# the buffer is smaller (mux.go, conn.Read: ENOMEM), and ttrpc reads through a buffer of this many
# bytes, then straight into the message. So a payload is no longer than this, or it is the rest
# of a frame that has begun.
READ_BUFFER = 4096

# Bytes that wait for a reader on this side. Pausing the trunk instead could wait for ever: what
# the reader waits for may be behind them. NRI closes it, too (at 256 payloads of any length).
MAX_WAITING = 64 << 20
# The same for a connection that is not open yet, and how many of those there can be.
MAX_EARLY = MAX_PAYLOAD
MAX_EARLY_CONNECTIONS = 16

_MAX_UNSENT = 1 << 20  # bytes that wait for the trunk, from which on no more is taken


class Branch:
    """One connection over a trunk.

    Attributes:
        id: its number.
        inbox: the bytes that came for it; take a ``chunk``, then say how much was ``sent`` on.
        is_open: whether this side has opened it.
        is_deaf: what comes for it is dropped.
    """

    __slots__ = ("_begun", "id", "inbox", "is_deaf", "is_open")

    def __init__(self, number: int) -> None:
        self.id = number
        self.inbox = Outbox()
        self.is_open = False
        self.is_deaf = False
        self._begun = bytearray()  # a TTRPC frame that is not whole yet

    def __repr__(self) -> str:
        return f"<Branch {self.id} {'open' if self.is_open else 'early'}>"

    def payloads(self, data: bytes) -> Iterator[bytes]:
        """Cut what is to be sent: as few payloads as possible, each of which NRI can read.

        Small TTRPC frames share one, since NRI's queue has room for 256 of them; what is not a
        whole TTRPC frame stays here until it is.

        Raises:
            LocalProtocolError: the bytes are not TTRPC.
        """
        begun = self._begun
        begun += data
        shared = start = 0  # where the payload, and the TTRPC frame, begin
        while len(begun) - start >= FRAME_HEADER_SIZE:
            length = FRAME_HEADER.unpack_from(begun, start)[0]
            if length > MAX_DATA:
                raise LocalProtocolError(
                    f"a frame of {length} bytes for connection {self.id}: TTRPC allows {MAX_DATA}"
                )
            end = start + FRAME_HEADER_SIZE + length
            if end > len(begun):
                break
            if end - shared > READ_BUFFER:
                if shared < start:
                    yield bytes(begun[shared:start])
                shared = start
                if end - start > READ_BUFFER:
                    shared = start + READ_BUFFER
                    yield bytes(begun[start:shared])
                    yield bytes(begun[shared:end])
                    shared = end
            start = end
        if shared < start:
            yield bytes(begun[shared:start])
        del begun[:start]


class Trunk:
    """The connection that the others go over. Not locked: the flavour sees to that.

    Attributes:
        outbox: the frames that wait to be written.
        branches: the connections that are open or have got bytes, by number.
        dropped_bytes: what came for connections that nobody reads here.
    """

    __slots__ = (
        "_early_lost",
        "_header",
        "_left",
        "_max_waiting",
        "_to",
        "branches",
        "dropped_bytes",
        "outbox",
    )

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self.outbox = Outbox()
        self.branches: dict[int, Branch] = {}
        self.dropped_bytes = 0
        self._max_waiting = max_waiting
        self._header = bytearray()
        self._to: Branch | None = None  # whose payload is on its way; None drops it
        self._left = 0  # bytes of it still to come
        self._early_lost = False  # bytes for a connection that is not in branches were dropped

    @property
    def full(self) -> bool:
        """Whether the peer is behind with reading, so that nothing more is to be sent."""
        return self.outbox.size >= _MAX_UNSENT

    @property
    def in_frame(self) -> bool:
        """Whether the bytes received so far end in the middle of a frame."""
        return bool(self._header or self._left)

    def open(self, number: int) -> Branch:
        """The connection of this number, with what came for it before.

        Raises:
            LocalProtocolError: no connection has this number, or it cannot be opened (again).
        """
        if not 0 < number <= MAX_CONNECTION:
            raise LocalProtocolError(
                f"no connection {number}: they count from 1 to {MAX_CONNECTION}"
            )
        branch = self.branches.get(number)
        if branch is None:
            if self._early_lost:
                raise LocalProtocolError(f"connection {number}: bytes for it may be lost already")
            branch = self.branches[number] = Branch(number)
        elif branch.is_open:
            raise LocalProtocolError(
                f"connection {number} was opened before, and the mux cannot tell the peer that"
                " it begins anew"
            )
        elif branch.is_deaf:
            raise LocalProtocolError(f"connection {number}: bytes for it are lost already")
        branch.is_open = True
        return branch

    def close(self, branch: Branch) -> None:
        """Nobody reads this connection any more. The peer cannot be told."""
        branch.is_deaf = True
        branch.inbox.clear()

    def send(self, branch: Branch, data: bytes) -> None:
        """Queue the bytes of a connection.

        Raises:
            LocalProtocolError: they are not TTRPC.
        """
        for payload in branch.payloads(data):
            self.outbox.put(branch.id, HEADER.pack(branch.id, len(payload)) + payload)

    def receive(self, data: bytes) -> None:
        """Take in bytes of the trunk; they are in the inboxes of the connections then.

        Raises:
            RemoteProtocolError: these are no frames of a mux, or too many that nobody reads;
                the trunk is of no further use.
        """
        start = 0
        while start < len(data):
            if self._left:
                payload = data[start : start + self._left]
                self._left -= len(payload)
                start += len(payload)
                self._deliver(payload)
            else:
                missing = HEADER_SIZE - len(self._header)
                self._header += data[start : start + missing]
                start += missing
                if len(self._header) == HEADER_SIZE:
                    self._begin(*HEADER.unpack(self._header))
                    self._header.clear()

    def _begin(self, number: int, length: int) -> None:
        if length > MAX_PAYLOAD:
            raise RemoteProtocolError(
                f"a payload of {length} bytes for connection {number}: NRI's mux allows"
                f" {MAX_PAYLOAD}, so the peer does not speak it"
            )
        self._left = length
        self._to = self.branches.get(number) or self._early(number)

    def _early(self, number: int) -> Branch | None:
        """The place for what comes before a connection is opened here."""
        if number == 0:  # reserved, and dropped by NRI as well
            return None
        early = sum(not branch.is_open for branch in self.branches.values())
        if early >= MAX_EARLY_CONNECTIONS:
            self._early_lost = True
            return None
        branch = self.branches[number] = Branch(number)
        return branch

    def _deliver(self, payload: bytes) -> None:
        branch = self._to
        if branch is None or branch.is_deaf:
            self.dropped_bytes += len(payload)
            return
        branch.inbox.put(branch.id, payload)
        if branch.inbox.size <= (self._max_waiting if branch.is_open else MAX_EARLY):
            return
        if branch.is_open:
            raise RemoteProtocolError(
                f"{branch.inbox.size} bytes wait on connection {branch.id}, which allows"
                f" {self._max_waiting}: its reader is behind"
            )
        self.dropped_bytes += branch.inbox.size
        self.close(branch)
