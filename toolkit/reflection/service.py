"""Reflection as services of a server: ``enable``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from toolkit.errors import SchemaError
from toolkit.reflection.answers import Answers
from toolkit.reflection.protocol import TWIN, services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from toolkit.schema.method import Service

__all__ = ["Reflected", "enable"]


class Server(Protocol):
    """A server of either flavour, as far as reflection needs one."""

    @property
    def services(self) -> Sequence[Service]:
        """What is served."""

    def add(self, service: Service, implementation: object, /) -> None:
        """Serve one more."""

    def on_add(self, check: Callable[[Service], object]) -> None:
        """Have each service that comes later checked."""


class Reflected:
    """The services that a server reflects; the answers are made anew when there are more."""

    def __init__(self, current: Callable[[], Sequence[Service]]) -> None:
        self._current = current
        self._made: tuple[Sequence[Service], Answers] | None = None

    def answers(self) -> Answers:
        """The answers for what is served now."""
        now = self._current()
        if self._made is None or self._made[0] != now:
            self._made = (now, Answers(now))
        return self._made[1]

    def check(self, service: Service) -> None:
        """See that one more service fits the others.

        Raises:
            SchemaError: it does not.
        """
        Answers([*self._current(), service])


class _Stream:
    """gRPC's service: a stream of questions, a reply to each."""

    def __init__(self, reflected: Reflected) -> None:
        self._reflected = reflected

    def ServerReflectionInfo(self, requests: Iterable[Any], context: object) -> Iterator[Any]:
        del context
        sent: set[str] = set()
        for request in requests:
            yield self._reflected.answers().answer(request, sent)


class _AsyncStream(_Stream):
    async def ServerReflectionInfo(  # type: ignore[override]  # the flavour's own kind of handler
        self, requests: AsyncIterator[Any], context: object
    ) -> AsyncIterator[Any]:
        del context
        sent: set[str] = set()
        async for request in requests:
            yield self._reflected.answers().answer(request, sent)


class _Twin:
    """The unary twin: one question, one reply, with all the files."""

    def __init__(self, reflected: Reflected) -> None:
        self._reflected = reflected

    def ServerReflectionInfo(self, request: Any, context: object) -> Any:
        del context
        return self._reflected.answers().answer(request)


class _AsyncTwin(_Twin):
    async def ServerReflectionInfo(self, request: Any, context: object) -> Any:
        return super().ServerReflectionInfo(request, context)


def enable(server: Server) -> None:
    """Let clients ask a server for its services and their schemas, comments included.

    It then serves ``grpc.reflection.v1.ServerReflection`` and ``v1alpha``, which are streams, and
    ``toolkit.reflection.v1.ServerReflection``, their unary twin. Services that are added later are
    told of too; one that clashes with another is refused by ``add``.

    Args:
        server: a ``sync.Server`` or an ``aio.Server``.

    Raises:
        SchemaError: two of its services need files or symbols that contradict each other, as those
            of two containerd lines do; the text names both, and the files. Or reflection is there
            already.
    """
    reflected = Reflected(lambda: server.services)
    Answers([*server.services, *services()])  # before anything is added
    known = {service.name for service in server.services}
    for service in services():
        if service.name in known:
            raise SchemaError(f"{service.name} is served already")
    stream, twin = (_AsyncStream, _AsyncTwin) if _is_aio(server) else (_Stream, _Twin)
    for service in services():
        server.add(service, (twin if service.name == TWIN else stream)(reflected))
    server.on_add(reflected.check)


def _is_aio(server: object) -> bool:
    # Whoever has an asyncio server has its module; others shall not import asyncio for this.
    module = sys.modules.get("toolkit.aio.server")
    return module is not None and isinstance(server, module.Server)
