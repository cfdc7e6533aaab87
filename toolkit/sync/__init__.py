"""Blocking channels and servers: any number of threads, no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.rpc.stub import Client
from toolkit.sync.channel import Channel, connect
from toolkit.sync.stream import Stream

if TYPE_CHECKING:
    from toolkit.rpc import credentials
    from toolkit.rpc.backoff import Backoff
    from toolkit.sync.mux import Mux
    from toolkit.sync.reconnect import ReconnectingChannel, reconnecting
    from toolkit.sync.server import Listener, Server

__all__ = [
    "Backoff",
    "Channel",
    "Client",
    "Listener",
    "Mux",
    "ReconnectingChannel",
    "Server",
    "Stream",
    "connect",
    "credentials",
    "reconnecting",
]

# `ttrpc call` is a whole process for one call, and has no use for these.
_LATER = {
    "Backoff": "toolkit.rpc.backoff",
    "Listener": "toolkit.sync.server",
    "Mux": "toolkit.sync.mux",
    "ReconnectingChannel": "toolkit.sync.reconnect",
    "Server": "toolkit.sync.server",
    "reconnecting": "toolkit.sync.reconnect",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name == "credentials":
        return importlib.import_module("toolkit.rpc.credentials")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
