"""The service of ``interop.proto``, answered in both of our flavours."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import toolkit
from tests.interop.peers import INTEROP as HERE
from toolkit.errors import RawAny, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from toolkit.rpc.context import Context

__all__ = [
    "ABSENT",
    "INTEROP",
    "LACKING",
    "LARGE",
    "AioInterop",
    "Item",
    "SyncInterop",
    "implementation",
]

schema = toolkit.load(HERE / "interop.proto")
INTEROP = schema.service("toolkit.interop.v1.Interop")
Item = schema.message("toolkit.interop.v1.Item")

missing = toolkit.load(HERE / "missing.proto")
ABSENT = missing.service("toolkit.interop.v1.Missing")  # a service that no server has
LACKING = missing.service("toolkit.interop.v1.Interop")  # methods that the servers' lacks

LARGE = 3900 * 1024  # bytes of data; the peers' programs mean the same by it

STEP = 0.002  # seconds between two looks of a blocking handler at its call


class SyncInterop:
    """Handlers that block."""

    def Echo(self, request: Any, context: Context) -> Any:
        return request

    def Fill(self, request: Any, context: Context) -> Any:
        return {"data": bytes(request.bytes)}

    def Fail(self, request: Any, context: Context) -> Any:
        raise _failure(request)

    def Sleep(self, request: Any, context: Context) -> None:
        rest(request.milliseconds, context)

    def Metadata(self, request: Any, context: Context) -> Any:
        return _seen(context)

    def Count(self, request: Any, context: Context) -> Iterator[Any]:
        for number in range(1, request.count + 1):
            rest(request.pause_milliseconds, context)
            if context.cancelled:
                return
            yield {"number": number, "data": bytes(request.size)}
        if request.HasField("failure"):
            raise _failure(request.failure)

    def Sum(self, requests: Iterator[Any], context: Context) -> Any:
        total = _Total()
        for item in requests:
            total.add(item)
        return vars(total)

    def Chat(self, requests: Iterator[Any], context: Context) -> Iterator[Any]:
        yield from requests

    def Divide(self, requests: Iterator[Any], context: Context) -> Iterator[Any]:
        for division in requests:
            yield _quotient(division)

    def StreamMetadata(self, request: Any, context: Context) -> Iterator[Any]:
        yield _seen(context)


class AioInterop:
    """The same for asyncio."""

    async def Echo(self, request: Any, context: Context) -> Any:
        return request

    async def Fill(self, request: Any, context: Context) -> Any:
        return {"data": bytes(request.bytes)}

    async def Fail(self, request: Any, context: Context) -> Any:
        raise _failure(request)

    async def Sleep(self, request: Any, context: Context) -> None:
        await asyncio.sleep(request.milliseconds / 1000)

    async def Metadata(self, request: Any, context: Context) -> Any:
        return _seen(context)

    async def Count(self, request: Any, context: Context) -> AsyncIterator[Any]:
        for number in range(1, request.count + 1):
            if request.pause_milliseconds:
                await asyncio.sleep(request.pause_milliseconds / 1000)
            yield {"number": number, "data": bytes(request.size)}
        if request.HasField("failure"):
            raise _failure(request.failure)

    async def Sum(self, requests: AsyncIterator[Any], context: Context) -> Any:
        total = _Total()
        async for item in requests:
            total.add(item)
        return vars(total)

    async def Chat(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for item in requests:
            yield item

    async def Divide(self, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for division in requests:
            yield _quotient(division)

    async def StreamMetadata(self, request: Any, context: Context) -> AsyncIterator[Any]:
        yield _seen(context)


def implementation(flavour: str) -> SyncInterop | AioInterop:
    """The handlers for a flavour, by its name."""
    return SyncInterop() if flavour == "sync" else AioInterop()


def rest(milliseconds: int, context: Context) -> None:
    """Block for this long, or until nobody waits for the answer any more."""
    until = time.monotonic() + milliseconds / 1000
    while not context.cancelled and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, STEP))


class _Total:
    def __init__(self) -> None:
        self.items = self.bytes = self.sum = 0

    def add(self, item: Any) -> None:
        if item.number < 0:
            raise RpcError(Code.INVALID_ARGUMENT, f"{item.number} is negative")
        self.items += 1
        self.bytes += len(item.data)
        self.sum += item.number


def _failure(request: Any) -> RpcError:
    details = [RawAny(detail.type_url, detail.value) for detail in request.details]
    return RpcError(request.code, request.message, details)


def _seen(context: Context) -> Any:
    left = context.time_remaining()
    return {
        "metadata": [{"key": key, "value": value} for key, value in context.metadata.items()],
        "timeout_nano": 0 if left is None else round(left * 1e9),
    }


def _quotient(division: Any) -> Any:
    if division.divisor == 0:
        raise RpcError(Code.INVALID_ARGUMENT, f"{division.dividend} divided by zero")
    return {"number": division.dividend // division.divisor}
