"""The messages that a client sends in one call, as a handler iterates over them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from toolkit.rpc.dispatch import IncomingCall

__all__ = ["Requests"]


class Requests:
    """Iterate over it to get the messages; it ends when the client says that it is done.

    Raises:
        RpcError: while iterating: CANCELLED when the client is gone, DEADLINE_EXCEEDED when time
            ran out, RESOURCE_EXHAUSTED when the handler is too far behind the client.
    """

    def __init__(self, call: IncomingCall) -> None:
        self._call = call

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        inbox = self._call.inbox
        assert inbox is not None
        while not inbox.is_ready():
            self._call.waiter = asyncio.get_running_loop().create_future()
            await self._call.waiter
        payload = inbox.take()
        if payload is None:
            raise StopAsyncIteration
        return self._call.decode(payload)
