"""Blocking channels and servers: any number of threads, no event loop."""

from __future__ import annotations

from toolkit.sync.channel import Channel, Client, connect
from toolkit.sync.server import Listener, Server

__all__ = ["Channel", "Client", "Listener", "Server", "connect"]
