"""Records what the peers really send: ``python -m tests.interop.record`` writes recordings.toml.

The tests replay it, so these bytes are tried where no peer is built, too.
"""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.interop import foreign, ours
from tests.interop.foreign import PEERS
from tests.interop.service import INTEROP, SyncInterop
from toolkit import sync
from toolkit.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.foreign import Peer

__all__ = ["CALLS", "FILE", "SCENARIOS", "call"]

FILE = Path(__file__).with_name("recordings.toml")
# The scenarios of foreign clients that are recorded; those without a stream first.
UNARY_SCENARIOS = ["echo-empty", "unknown-method"]
SCENARIOS = [*UNARY_SCENARIOS, "sum-none", "sum-empty-items", "chat-empty-items", "count-none"]
# The calls of foreign servers, and what is sent in them.
UNARY_CALLS: dict[str, list[Any]] = {
    "Echo": [{}],
    "Fail": [{"code": 5, "message": "no", "details": [{"type_url": "a.B", "value": b"\x08\x07"}]}],
}
CALLS = {
    **UNARY_CALLS,
    "Count": [{"count": 2, "failure": {"code": 9, "message": "two are enough"}}],
    "StreamMetadata": [{}],
    "Sum": [{"number": 1}, {}, {"number": 2}],
    "Chat": [{"number": 1}, {}],
}


def call(channel: Any, name: str) -> Iterator[Any]:
    """What comes back in one of ``CALLS``."""
    method, messages = INTEROP[name], CALLS[name]
    if name in UNARY_CALLS:
        yield channel.call(method, messages[0])
        return
    with channel.stream(method) as stream:
        for message in messages:
            stream.send(message)
        stream.close_send()
        yield from stream


def main() -> None:
    """Record everything."""
    tables: list[str] = []
    for peer in PEERS:
        scenarios = SCENARIOS if peer.streams else UNARY_SCENARIOS
        tables += [_table("request", peer, name, _of_client(peer, name)) for name in scenarios]
        calls = CALLS if peer.streams else UNARY_CALLS
        tables += [_table("reply", peer, name, _of_server(peer, name)) for name in calls]
    head = f"# What the peers of peers.toml send; python -m {__spec__.name} wrote it.\n"
    FILE.write_text(head + "".join(tables))


def _table(kind: str, peer: Peer, name: str, data: bytes) -> str:
    return f'\n[[{kind}]]\npeer = "{peer.name}"\nname = "{name}"\nbytes = "{data.hex()}"\n'


def _of_client(peer: Peer, scenario: str) -> bytes:
    with ours.serving("sync", INTEROP, SyncInterop()) as address, _tap(address) as tap:
        foreign.scenarios(peer, tap.address, scenario)
    return bytes(tap.requests)


def _of_server(peer: Peer, name: str) -> bytes:
    with (
        foreign.serving(peer) as server,
        _tap(server.address) as tap,
        sync.connect(tap.address) as channel,
        contextlib.suppress(RpcError),
    ):
        list(call(channel, name))
    return bytes(tap.replies)


class _Tap:
    """Stands between a client and a server, and notes what passes."""

    def __init__(self, address: str, upstream: str) -> None:
        self.address = address
        self.requests = bytearray()
        self.replies = bytearray()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address.removeprefix("unix://"))
        self._listener.listen()
        self._upstream = upstream.removeprefix("unix://")

    def run(self) -> None:
        """Pass one connection on, until both sides have closed it."""
        with (
            self._listener,
            self._listener.accept()[0] as client,
            socket.socket(socket.AF_UNIX) as server,
        ):
            server.connect(self._upstream)
            back = threading.Thread(target=_pass, args=(server, client, self.replies))
            back.start()
            _pass(client, server, self.requests)
            back.join()


def _pass(source: socket.socket, target: socket.socket, note: bytearray) -> None:
    while data := source.recv(65536):
        note += data
        with contextlib.suppress(OSError):  # the other one has gone
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def _tap(upstream: str) -> Iterator[_Tap]:
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        tap = _Tap(f"unix://{folder}/tap.sock", upstream)
        thread = threading.Thread(target=tap.run)
        thread.start()
        yield tap
        thread.join()


if __name__ == "__main__":
    main()
