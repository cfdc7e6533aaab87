"""Which handler answers which method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from toolkit.errors import RpcError, SchemaError
from toolkit.rpc.envelope import request_prefix
from toolkit.schema.method import Service
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.schema.method import Method

__all__ = ["AsyncImplementation", "Route", "Router", "SyncImplementation"]


class Route(NamedTuple):
    """A method and the callable that answers it."""

    method: Method
    handler: Callable[..., Any]


class SyncImplementation(Protocol):
    """What says by its class which service it answers, with handlers that block."""

    __service__: ClassVar[Service]
    __is_async__: ClassVar[Literal[False]]


class AsyncImplementation(Protocol):
    """What says by its class which service it answers, with handlers for asyncio."""

    __service__: ClassVar[Service]
    __is_async__: ClassVar[Literal[True]]


def _service_of(implementation: object, *, is_async: bool) -> Service:
    service, name = getattr(implementation, "__service__", None), type(implementation).__name__
    if not isinstance(service, Service):
        raise TypeError(
            f"add wants a service and its implementation; {name} alone does not say which service"
            " it is for"
        )
    if getattr(implementation, "__is_async__", is_async) != is_async:
        right, wrong = ("aio", "sync") if is_async else ("sync", "aio")
        raise TypeError(f"{name} is for {wrong}.Server, and this is {right}.Server")
    return service


def _handler(implementation: object, name: str) -> Any:
    # A word of the language can be no method's name; generated bases have it with an underscore.
    return getattr(implementation, name, None) or getattr(implementation, f"{name}_", None)


class Router:
    """The services of a server.

    Attributes:
        services: by name.
        prefixes: how a Request for each of the methods begins, and its service and method.
        checks: each is called with a service before it is added, and may raise.
    """

    __slots__ = ("_is_async", "_routes", "checks", "prefixes", "services")

    def __init__(self, *, is_async: bool = False) -> None:
        self._is_async = is_async
        self.services: dict[str, Service] = {}
        self.checks: list[Callable[[Service], object]] = []
        self.prefixes: dict[bytes, tuple[str, str]] = {}
        self._routes: dict[str, dict[str, Route]] = {}

    def add(self, service: Service | object, implementation: object = None) -> None:
        """Answer a service with the methods of an object that are named as its RPCs.

        The object alone will do where its class says which service that is, as a generated base
        class does.

        Raises:
            SchemaError: the service is there already, or the object has none of its methods.
            TypeError: the object is alone, and its class does not say.
        """
        if implementation is None:
            service, implementation = _service_of(service, is_async=self._is_async), service
        assert isinstance(service, Service)
        if service.name in self.services:
            raise SchemaError(f"{service.name} is served already")
        routes = {
            method.name: Route(method, handler)
            for method in service.methods
            if callable(handler := _handler(implementation, method.name))
        }
        if not routes:
            names = ", ".join(method.name for method in service.methods)
            raise SchemaError(
                f"{type(implementation).__name__} has none of the methods of {service.name}:"
                f" {names}"
            )
        for check in self.checks:
            check(service)
        self.services[service.name] = service
        self._routes[service.name] = routes
        for name in routes:
            self.prefixes[request_prefix(service.name, name)] = (service.name, name)

    def find(self, service: str, method: str) -> Route:
        """The route of a Request.

        Raises:
            RpcError: UNIMPLEMENTED, in Go's words; containerd's fall-back from task v3 to v2
                depends on the code.
        """
        routes = self._routes.get(service)
        if routes is None:
            raise RpcError(Code.UNIMPLEMENTED, f"service {service}")
        route = routes.get(method)
        if route is None:
            raise RpcError(Code.UNIMPLEMENTED, f"method {method}")
        return route
