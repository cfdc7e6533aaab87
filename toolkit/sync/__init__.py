"""Blocking channels and servers: any number of threads, no event loop."""

from __future__ import annotations

from toolkit.rpc.stub import Client
from toolkit.sync.channel import Channel, connect
from toolkit.sync.server import Listener, Server
from toolkit.sync.stream import Stream

__all__ = ["Channel", "Client", "Listener", "Server", "Stream", "connect"]
