"""Channels and servers for asyncio: the names and methods of ``toolkit.sync``, with ``await``."""

from __future__ import annotations

from toolkit.aio.channel import Channel, connect
from toolkit.aio.mux import Mux
from toolkit.aio.reconnect import ReconnectingChannel, reconnecting
from toolkit.aio.server import Listener, Server
from toolkit.aio.stream import Stream
from toolkit.rpc import credentials
from toolkit.rpc.backoff import Backoff
from toolkit.rpc.stub import Client

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
