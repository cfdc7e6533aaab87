"""The streams of generated clients, by the types of their messages.

These are protocols: what a channel gives fits them, and so does what a test makes up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator
    from types import TracebackType

    from toolkit import aio, sync

__all__ = [
    "AioChannel",
    "AsyncBidi",
    "AsyncReplies",
    "AsyncRequests",
    "Bidi",
    "Opening",
    "Replies",
    "Requests",
    "SyncChannel",
]

Sent = TypeVar("Sent", contravariant=True)
Received = TypeVar("Received", covariant=True)


class Replies(Protocol[Received]):
    """A stream that is received: iterate over it, or ``receive`` until None."""

    def receive(self) -> Received | None:
        """The next message; None after the last one."""

    def __iter__(self) -> Iterator[Received]:
        """The messages, as they come."""

    def __enter__(self) -> Replies[Received]:
        """Leaving the block drops the stream."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class Bidi(Protocol[Sent, Received]):
    """A stream both ways: ``send``, ``close_send``, and iterate over what comes."""

    def send(self, message: Sent = ..., /) -> None:
        """Send one message; without it, an empty one."""

    def close_send(self) -> None:
        """Say that no more messages follow."""

    def receive(self) -> Received | None:
        """The next message; None after the last one."""

    def __iter__(self) -> Iterator[Received]:
        """The messages, as they come."""

    def __enter__(self) -> Bidi[Sent, Received]:
        """Leaving the block drops the stream."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


class Requests(Bidi[Sent, Received], Protocol[Sent, Received]):
    """A stream that is sent, and answered by one message: ``receive`` gives it."""


class AsyncReplies(Protocol[Received]):
    """``Replies`` for asyncio; the stream is opened by ``await`` or ``async with``."""

    async def receive(self) -> Received | None:
        """The next message; None after the last one."""

    def __aiter__(self) -> AsyncIterator[Received]:
        """The messages, as they come."""


class AsyncBidi(Protocol[Sent, Received]):
    """``Bidi`` for asyncio."""

    async def send(self, message: Sent = ..., /) -> None:
        """Send one message; without it, an empty one."""

    async def close_send(self) -> None:
        """Say that no more messages follow."""

    async def receive(self) -> Received | None:
        """The next message; None after the last one."""

    def __aiter__(self) -> AsyncIterator[Received]:
        """The messages, as they come."""


class AsyncRequests(AsyncBidi[Sent, Received], Protocol[Sent, Received]):
    """``Requests`` for asyncio."""


# What a generated client calls on.
SyncChannel: TypeAlias = "sync.Channel | sync.ReconnectingChannel"
AioChannel: TypeAlias = "aio.Channel | aio.ReconnectingChannel"

Opened = TypeVar("Opened", covariant=True)


class Opening(Protocol[Opened]):
    """A stream of an asyncio channel that is to be opened: by ``await``, or ``async with``."""

    def __await__(self) -> Generator[object, None, Opened]:
        """Open it."""

    async def __aenter__(self) -> Opened:
        """Open it; leaving the block drops the stream."""

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
