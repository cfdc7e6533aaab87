"""Services and their methods, as a schema describes them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from toolkit.errors import SymbolNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

    from toolkit.schema.pool import Schema

__all__ = ["Kind", "Method", "Service"]


class Kind(enum.Enum):
    """Which side of a call sends a stream of messages: neither, one, or both.

    Attributes:
        client_streaming: the client sends a stream.
        server_streaming: the server sends one.
    """

    UNARY = (False, False)
    CLIENT_STREAMING = (True, False)
    SERVER_STREAMING = (False, True)
    BIDI = (True, True)

    client_streaming: bool
    server_streaming: bool

    def __init__(self, client_streaming: bool, server_streaming: bool) -> None:  # noqa: FBT001
        # Plain attributes: asked several times in each call, where `value` costs 0.2 µs.
        self.client_streaming = client_streaming
        self.server_streaming = server_streaming


_KINDS = {(kind.client_streaming, kind.server_streaming): kind for kind in Kind}


class Method:
    """One method of a service.

    Attributes:
        name: its bare name, ``State``.
        path: as it is called, ``/containerd.task.v3.Task/State``.
        full_name: as a symbol, ``containerd.task.v3.Task.State``.
        service: the service that it belongs to.
        kind: which sides stream.
        descriptor: protobuf's own descriptor.
    """

    __slots__ = ("_reply", "_request", "descriptor", "full_name", "kind", "name", "path", "service")

    def __init__(self, service: Service, descriptor: MethodDescriptor) -> None:
        self.service = service
        self.descriptor = descriptor
        self.name: str = descriptor.name
        self.full_name = f"{service.name}.{descriptor.name}"
        self.path = f"/{service.name}/{descriptor.name}"
        self.kind = _KINDS[descriptor.client_streaming, descriptor.server_streaming]
        self._request: type[Any] | None = None
        self._reply: type[Any] | None = None

    @property
    def request(self) -> type[Any]:
        """The message class that the client sends; made when first asked for."""
        if self._request is None:
            self._request = _class_of(self.descriptor.input_type)
        return self._request

    @property
    def reply(self) -> type[Any]:
        """The message class that the server sends; made when first asked for."""
        if self._reply is None:
            self._reply = _class_of(self.descriptor.output_type)
        return self._reply

    def __repr__(self) -> str:
        return f"<Method {self.path} of {self.service.schema.name}>"


class Service:
    """One service: its methods in the order of their declaration.

    Attributes:
        name: the full name, ``containerd.task.v3.Task``.
        schema: the schema that it belongs to.
        methods: in the order of their declaration.
        descriptor: protobuf's own descriptor.
    """

    __slots__ = ("_by_name", "descriptor", "methods", "name", "schema")

    def __init__(self, schema: Schema, descriptor: ServiceDescriptor) -> None:
        self.schema = schema
        self.descriptor = descriptor
        self.name: str = descriptor.full_name
        self.methods = [Method(self, method) for method in descriptor.methods]
        self._by_name = {method.name: method for method in self.methods}

    def __getitem__(self, name: str) -> Method:
        try:
            return self._by_name[name]
        except KeyError:
            raise self._no_method(name) from None

    def __iter__(self) -> Iterator[Method]:
        return iter(self.methods)

    def __len__(self) -> int:
        return len(self.methods)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __repr__(self) -> str:
        return f"<Service {self.name} of {self.schema.name}>"

    def _no_method(self, name: str) -> SymbolNotFound:
        from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

        full_name = f"{self.name}/{name}"
        return SymbolNotFound(
            "method",
            full_name,
            schema=self.schema.name,
            nearest=[f"{self.name}/{near}" for near in nearest(name, self._by_name)],
            elsewhere=self.schema.elsewhere(f"{self.name}.{name}"),
        )


def _class_of(descriptor: Any) -> type[Any]:
    # Asked for by a schema that has loaded protobuf already; this module alone stays light.
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(descriptor)
