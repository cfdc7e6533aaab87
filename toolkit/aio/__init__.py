"""Channels and servers for asyncio: the names and methods of ``toolkit.sync``, with ``await``."""

from __future__ import annotations

from toolkit.aio.channel import Channel, connect
from toolkit.aio.server import Listener, Server
from toolkit.aio.stream import Stream
from toolkit.rpc.stub import Client

__all__ = ["Channel", "Client", "Listener", "Server", "Stream", "connect"]
