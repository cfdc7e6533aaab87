"""A schema-driven RPC toolkit for TTRPC: any containerd release at run time, no generated code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import (
    AddressError,
    CompileError,
    CompileProblem,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    LocalProtocolError,
    MessageError,
    NoSchema,
    ProtocolError,
    RawAny,
    ReleaseNotFound,
    RemoteProtocolError,
    RpcError,
    SchemaError,
    SourceNotFound,
    SymbolNotFound,
    ToolkitError,
    TransportError,
)
from toolkit.status import Code

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release

__all__ = [
    "AddressError",
    "Code",
    "CompileError",
    "CompileProblem",
    "ConnectFailed",
    "ConnectionClosed",
    "DeadlineExceeded",
    "LocalProtocolError",
    "MessageError",
    "NoSchema",
    "ProtocolError",
    "RawAny",
    "ReleaseNotFound",
    "RemoteProtocolError",
    "RpcError",
    "SchemaError",
    "SourceNotFound",
    "SymbolNotFound",
    "ToolkitError",
    "TransportError",
    "load",
    "releases",
]

__version__ = "0.1.0"


def load(source: str | os.PathLike[str], *, roots: Iterable[str | os.PathLike[str]] = ()) -> Schema:
    """The schema of a vendored release, a ``.proto`` file, a directory or a descriptor set.

    Text without a ``/`` and without a known suffix is a release: ``containerd@2.3``, or
    ``containerd`` for its newest line. ``roots`` are the import roots of ``.proto`` sources.
    ``binary:PATH`` and ``pid:N`` take the descriptors that an executable carries, and
    ``grpc:ADDRESS`` asks a gRPC server. The same content gives the same ``Schema`` for the life of
    the process.

    Raises:
        ReleaseNotFound, SourceNotFound: there is no such thing; the error has the nearest names.
        CompileError: a ``.proto`` file has errors; with file, line and column of each.
        NoSchema: the executable, or the server, does not tell of any.
        ConnectFailed: no gRPC server answers.
    """
    if isinstance(source, str) and source.startswith("grpc:"):
        from toolkit.reflection import load_grpc

        return load_grpc(source.removeprefix("grpc:"))
    from toolkit.schema.load import load as load_schema  # protobuf is 30 ms that `--help` saves

    return load_schema(source, roots=roots)


def releases() -> list[Release]:
    """All vendored releases, the user's own before ours: project, line, tag, commit."""
    from toolkit.schema.releases import releases as list_releases

    return list_releases()
