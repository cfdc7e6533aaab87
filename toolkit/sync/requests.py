"""The messages that a client sends in one call, as a handler iterates over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.rpc.dispatch import IncomingCall
    from toolkit.sync.pump import Pump

__all__ = ["Requests"]


class Requests:
    """Iterate over it to get the messages; it ends when the client says that it is done.

    Raises:
        RpcError: while iterating: CANCELLED when the client is gone, DEADLINE_EXCEEDED when time
            ran out, RESOURCE_EXHAUSTED when the handler is too far behind the client.
    """

    def __init__(self, pump: Pump, call: IncomingCall) -> None:
        self._pump = pump
        self._call = call

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        call, inbox = self._call, self._call.inbox
        assert inbox is not None
        with self._pump.lock:
            # The monitor ends the inbox of a call whose deadline passes, and the end of the
            # connection that of every call.
            if not self._pump.wait(inbox.is_ready, None, call) and not inbox.is_ready():
                raise RpcError(Code.CANCELLED, "the connection has ended")
            payload = inbox.take()
        if payload is None:
            raise StopIteration
        return call.decode(payload)
