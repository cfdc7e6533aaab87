"""Blocking channels and servers: any number of threads, no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.rpc.stub import Client
from toolkit.sync.channel import Channel, connect
from toolkit.sync.stream import Stream

if TYPE_CHECKING:
    from toolkit.sync.server import Listener, Server

__all__ = ["Channel", "Client", "Listener", "Server", "Stream", "connect"]


def __getattr__(name: str) -> Any:
    # `ttrpc call` is a whole process for one call, and has no use for a server.
    if name in {"Listener", "Server"}:
        from toolkit.sync import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
