"""Streams whose span ends with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from toolkit.otel.spans import CallSpan

__all__ = ["AioMessages", "AioTracedStream", "Messages", "TracedStream"]


class _Traced:
    """What both flavours' streams have in common: all of the stream, and when its span ends."""

    def __init__(self, stream: Any, span: CallSpan) -> None:
        self._stream = stream
        self._span = span
        self._answers_once = not stream.method.kind.server_streaming

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __repr__(self) -> str:
        return repr(self._stream)

    def cancel(self) -> None:
        """Forget the call on this side."""
        self._stream.cancel()
        self._span.leave()

    def _received(self, message: Any) -> Any:
        if message is None or self._answers_once:
            self._span.succeed()
        return message


class TracedStream(_Traced):
    """A client's stream of the blocking flavour."""

    def receive(self) -> Any:
        """The next message; None at the end."""
        try:
            return self._received(self._stream.receive())
        except BaseException as exc:
            self._span.fail(exc)
            raise

    def __iter__(self) -> Iterator[Any]:
        while (message := self.receive()) is not None:
            yield message

    def __enter__(self) -> TracedStream:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()


class AioTracedStream(_Traced):
    """A client's stream of the asyncio flavour."""

    async def receive(self) -> Any:
        """The next message; None at the end."""
        try:
            return self._received(await self._stream.receive())
        except BaseException as exc:
            self._span.fail(exc)
            raise

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.receive()) is not None:
            yield message

    async def __aenter__(self) -> AioTracedStream:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cancel()


class Messages:
    """What a blocking handler yields; the span is current while the handler runs, and only then.

    The thread that runs it does other things in between.
    """

    def __init__(self, messages: Any, span: CallSpan) -> None:
        self._iterator = iter(messages)
        self._span = span

    def __iter__(self) -> Messages:
        return self

    def __next__(self) -> Any:
        try:
            with self._span.current():
                return next(self._iterator)
        except StopIteration:
            self._span.succeed()
            raise
        except BaseException as exc:
            self._span.fail(exc)
            raise

    def close(self) -> None:
        """End the handler."""
        close = getattr(self._iterator, "close", None)
        try:
            if close is not None:
                with self._span.current():
                    close()
        finally:
            self._span.leave()


class AioMessages:
    """What an asyncio handler yields; the span is current while the handler runs, and only then."""

    def __init__(self, messages: Any, span: CallSpan) -> None:
        self._iterator = aiter(messages)
        self._span = span

    def __aiter__(self) -> AioMessages:
        return self

    async def __anext__(self) -> Any:
        try:
            with self._span.current():
                return await anext(self._iterator)
        except StopAsyncIteration:
            self._span.succeed()
            raise
        except BaseException as exc:
            self._span.fail(exc)
            raise

    async def aclose(self) -> None:
        """End the handler."""
        close = getattr(self._iterator, "aclose", None)
        try:
            if close is not None:
                with self._span.current():
                    await close()
        finally:
            self._span.leave()
