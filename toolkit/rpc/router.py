"""Which handler answers which method."""

from __future__ import annotations

import keyword
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


def _own_service(implementation: object) -> Service | None:
    """What the class of an implementation says; an object may have attributes of any name."""
    kind = implementation if isinstance(implementation, type) else type(implementation)
    own = getattr(kind, "__service__", None)
    return own if isinstance(own, Service) else None


def _service_of(implementation: object) -> Service:
    if isinstance(implementation, Service):
        raise TypeError(f"add wants an implementation too, behind the service {implementation!r}")
    own = _own_service(implementation)
    if own is None:
        raise TypeError(
            f"add wants a service and its implementation; {type(implementation).__name__} alone"
            " does not say which service it is for"
        )
    return own


def _refuse_other(service: Service, implementation: object, *, is_async: bool) -> None:
    """See that an implementation which says what it is for is for this.

    Raises:
        TypeError: it is not.
    """
    own = _own_service(implementation)
    if own is None:
        return
    if isinstance(implementation, type):
        name = implementation.__name__
        raise TypeError(f"add wants an instance, {name}(), and not the class {name}")
    name = type(implementation).__name__
    if own.name != service.name:
        raise TypeError(f"{name} is for {own.name}, and not for {service.name}")
    if getattr(type(implementation), "__is_async__", is_async) != is_async:
        right, wrong = ("aio", "sync") if is_async else ("sync", "aio")
        raise TypeError(f"{name} is for {wrong}.Server, and this is {right}.Server")


def _handler(implementation: object, name: str) -> Any:
    # What a generated base calls its methods; it has no others.
    methods = getattr(type(implementation), "__methods__", None)
    if methods is not None:
        return getattr(implementation, methods[name]) if name in methods else None
    found = getattr(implementation, name, None)
    if found is None and keyword.iskeyword(name):  # such a name can be written with more only
        found = getattr(implementation, f"{name}_", None)
    return found


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
            TypeError: the object is alone, and its class does not say; or it says that the object
                is for another service or for servers of the other flavour.
        """
        if implementation is None:
            service, implementation = _service_of(service), service
        if not isinstance(service, Service):
            raise TypeError(f"add wants a service, as schema.service(...) gives, not {service!r}")
        _refuse_other(service, implementation, is_async=self._is_async)
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
