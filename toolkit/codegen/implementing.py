"""What the classes of a generated service are derived from, and what their methods do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from toolkit.errors import RpcError
from toolkit.rpc import stub
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.schema.method import Method, Service

__all__ = [
    "AsyncImplementation",
    "Client",
    "Implementation",
    "abstract",
    "abstract_async",
    "client_method",
    "refusing",
    "refusing_async",
]


class Client:
    """The base of generated clients: the methods of one service on one channel."""

    __service__: ClassVar[Service]
    __methods__: ClassVar[Mapping[str, str]]

    def __init__(self, channel: Any) -> None:
        """Call on this channel, of the flavour that the client is for."""
        self._stub = stub.Client(channel, self.__service__)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._stub!r}>"


class Implementation(ABC):
    """The base of what a ``sync.Server`` answers one service with: ``server.add(MyTask())``."""

    __service__: ClassVar[Service]
    __methods__: ClassVar[Mapping[str, str]]
    __is_async__: ClassVar[Literal[False]] = False


class AsyncImplementation(ABC):
    """The base of what an ``aio.Server`` answers one service with."""

    __service__: ClassVar[Service]
    __methods__: ClassVar[Mapping[str, str]]
    __is_async__: ClassVar[Literal[True]] = True


def client_method(method: Method) -> Any:
    """How a client calls a method."""
    name = method.name
    # A stream of replies is opened by its one message, also where that is empty.
    opens = method.kind.server_streaming and not method.kind.client_streaming

    def call(
        self: Client,
        message: Any = None,
        /,
        *,
        timeout: float | None = None,
        metadata: Any = None,
        **fields: Any,
    ) -> Any:
        if opens and message is None and not fields:
            message = {}
        return getattr(self._stub, name)(message, timeout=timeout, metadata=metadata, **fields)

    return call


def abstract(method: Method) -> Any:
    """What an implementation must have for a method; called by ``super()``, it refuses."""
    return abstractmethod(refusing(method))


def abstract_async(method: Method) -> Any:
    """What one for asyncio must have."""
    return abstractmethod(refusing_async(method))


def refusing(method: Method) -> Any:
    """A handler that answers UNIMPLEMENTED."""
    name = method.name
    if method.kind.client_streaming:

        def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)

        return handle

    def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)

    return answer


def refusing_async(method: Method) -> Any:
    """One for asyncio."""
    name = method.name
    if method.kind.server_streaming:
        return _refusing_stream(method)
    if method.kind.client_streaming:

        async def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)

        return handle

    async def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)

    return answer


def _refusing_stream(method: Method) -> Any:
    name = method.name
    if method.kind.client_streaming:

        async def handle(self: object, requests: Any, context: Any) -> Any:
            raise _unimplemented(name)
            yield  # type: ignore[unreachable]  # it makes a generator of this

        return handle

    async def answer(self: object, request: Any, context: Any) -> Any:
        raise _unimplemented(name)
        yield  # type: ignore[unreachable]  # it makes a generator of this

    return answer


def _unimplemented(name: str) -> RpcError:
    return RpcError(Code.UNIMPLEMENTED, f"method {name}")  # as Go says it
