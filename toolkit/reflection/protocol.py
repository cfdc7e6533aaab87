"""The reflection services: gRPC's two versions, and their unary twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.schema.method import Method, Service

__all__ = ["METHOD", "NONE", "TWIN", "V1", "V1ALPHA", "method", "services"]

V1 = "grpc.reflection.v1.ServerReflection"
V1ALPHA = "grpc.reflection.v1alpha.ServerReflection"  # the same messages in another package
TWIN = "toolkit.reflection.v1.ServerReflection"  # the messages of v1, one call a question
METHOD = "ServerReflectionInfo"  # of each of them the only one

# What servers say of a service that they lack: UNIMPLEMENTED in Go, INVALID_ARGUMENT in Rust,
# NOT_FOUND in Go before ttrpc 1.1, and in Rust of a method that is not overridden.
NONE = frozenset({Code.UNIMPLEMENTED, Code.INVALID_ARGUMENT, Code.NOT_FOUND})


def services() -> list[Service]:
    """The three services.

    Raises:
        SchemaError: the vendored folder lacks them.
    """
    from toolkit.schema.load import load

    schema = load("reflection@1")
    return [schema.service(name) for name in (V1, V1ALPHA, TWIN)]


def method(service: str) -> Method:
    """The method of one of the services."""
    return next(one for one in services() if one.name == service)[METHOD]
