"""Asking a TTRPC server for its schema, over a channel of either flavour.

The unary twin harms no server. A stream that it does not know kills a server of Go ttrpc 1.2.0 to
1.2.7 if data follow at once: it is opened only for whoever asks for it, and settles.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import (
    DeadlineExceeded,
    LocalProtocolError,
    NoSchema,
    RpcError,
    SchemaError,
)
from toolkit.reflection.loader import ReflectedSource, drive, drive_async
from toolkit.reflection.protocol import NONE, TWIN, V1, V1ALPHA, method
from toolkit.rpc.stream import SETTLE

if TYPE_CHECKING:
    from types import TracebackType

    from toolkit import aio, sync
    from toolkit.reflection.loader import Collected, Question
    from toolkit.schema.method import Method
    from toolkit.schema.pool import Schema

__all__ = ["TIMEOUT", "ask", "ask_async", "load", "load_async"]

TIMEOUT = 10.0  # seconds for all questions together


def load(channel: sync.Channel, *, stream: bool = False, timeout: float = TIMEOUT) -> Schema:
    """The schema that a server tells of: all of its services and what they need.

    Args:
        channel: to the server.
        stream: ask gRPC's streaming service, v1 and then v1alpha, instead of the unary twin. With
            servers of Go ttrpc 1.2.0 to 1.2.7 it is not without danger.
        timeout: seconds for all of it.

    Raises:
        NoSchema: the server does not have it.
        SchemaError: what it tells makes no sense, or takes too long.
        ConnectionClosed, RpcError: as for any call.
    """
    from toolkit.schema.load import schema_from  # protobuf is 30 ms

    return schema_from(ask(channel, stream=stream, timeout=timeout))


async def load_async(
    channel: aio.Channel, *, stream: bool = False, timeout: float = TIMEOUT
) -> Schema:
    """``load`` over an asyncio channel."""
    from toolkit.schema.load import schema_from

    return schema_from(await ask_async(channel, stream=stream, timeout=timeout))


def ask(
    channel: sync.Channel, *, stream: bool = False, timeout: float = TIMEOUT
) -> ReflectedSource:
    """What a server tells, as a source of a schema; arguments and errors are those of ``load``."""
    attempt = _Attempt(channel.address, timeout)
    for reflection in _methods(stream=stream):
        with attempt:
            if not stream:
                return attempt.source(drive(partial(_call, channel, reflection, attempt)))
            with channel.stream(reflection, timeout=attempt.left(), settle=SETTLE) as opened:
                return attempt.source(drive(partial(_exchange, opened, attempt)))
    raise attempt.failed()


async def ask_async(
    channel: aio.Channel, *, stream: bool = False, timeout: float = TIMEOUT
) -> ReflectedSource:
    """``ask`` over an asyncio channel."""
    attempt = _Attempt(channel.address, timeout)
    for reflection in _methods(stream=stream):
        with attempt:
            if not stream:
                told = await drive_async(partial(_call_async, channel, reflection, attempt))
                return attempt.source(told)
            async with channel.stream(reflection, timeout=attempt.left(), settle=SETTLE) as opened:
                return attempt.source(await drive_async(partial(_exchange_async, opened, attempt)))
    raise attempt.failed()


class _Attempt:
    """One server, asked by each method in turn; as a context it notes that one is not there."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._refusal: RpcError | None = None
        self._begun = False

    def reply(self, message: Any) -> Any:
        """A reply; after the first one, a refusal does not mean that there is no reflection."""
        if message is None:
            raise SchemaError("the server ended the stream before it had answered")
        self._begun = True
        return message

    def left(self) -> float:
        """Seconds until the deadline.

        Raises:
            DeadlineExceeded: none are left.
        """
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise DeadlineExceeded
        return seconds

    def source(self, collected: Collected) -> ReflectedSource:
        """What the server told."""
        return ReflectedSource(f"reflection of {self._address}", collected)

    def failed(self) -> NoSchema:
        """The error when no method is there."""
        return NoSchema(f"{self._address} has no reflection: it says {self._refusal}")

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(exc, DeadlineExceeded):
            raise SchemaError(
                f"reflection of {self._address}: no end of it within {self._timeout:g} s"
            ) from exc
        if isinstance(exc, SchemaError):
            raise SchemaError(f"reflection of {self._address}: {exc}") from exc
        if isinstance(exc, RpcError) and exc.code in NONE and not self._begun:
            self._refusal = exc
            return True
        return False


def _methods(*, stream: bool) -> list[Method]:
    return [method(service) for service in ((V1, V1ALPHA) if stream else (TWIN,))]


def _call(channel: sync.Channel, reflection: Method, attempt: _Attempt, question: Question) -> Any:
    return attempt.reply(channel.call(reflection, question, timeout=attempt.left()))


async def _call_async(
    channel: aio.Channel, reflection: Method, attempt: _Attempt, question: Question
) -> Any:
    return attempt.reply(await channel.call(reflection, question, timeout=attempt.left()))


def _exchange(stream: sync.Stream, attempt: _Attempt, question: Question) -> Any:
    with contextlib.suppress(LocalProtocolError):  # the server has ended it
        stream.send(question)
    return attempt.reply(stream.receive())


async def _exchange_async(stream: aio.Stream, attempt: _Attempt, question: Question) -> Any:
    with contextlib.suppress(LocalProtocolError):
        await stream.send(question)
    return attempt.reply(await stream.receive())
