"""Reflection: what a server serves, told by itself, by a gRPC peer, or by its binary.

* ``enable(server)`` lets clients of a TTRPC server ask for its services and their schemas;
  ``enable_grpc`` does the same for a server of grpcio.
* ``load(channel)`` and ``load_async(channel)`` ask a TTRPC server, ``load_grpc(address)`` a gRPC
  server.
* ``find(channel)`` finds a schema for whatever is behind a channel, without harm: in its binary,
  by asking it, or by probing for services that are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.reflection.asking import load, load_async
    from toolkit.reflection.finding import Found, find
    from toolkit.reflection.overgrpc import enable_grpc, load_grpc
    from toolkit.reflection.service import enable

__all__ = ["Found", "enable", "enable_grpc", "find", "load", "load_async", "load_grpc"]

# Each is wanted by few: a server needs no client, a client no server, and grpc is 100 ms.
_LATER = {
    "Found": "toolkit.reflection.finding",
    "enable": "toolkit.reflection.service",
    "enable_grpc": "toolkit.reflection.overgrpc",
    "find": "toolkit.reflection.finding",
    "load": "toolkit.reflection.asking",
    "load_async": "toolkit.reflection.asking",
    "load_grpc": "toolkit.reflection.overgrpc",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
