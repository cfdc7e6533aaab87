"""A TTRPC client and server with nothing in them: blocking sockets and ready-made frames.

``python -m tests.bench.raw ADDRESS`` is the server. Both know one request and one reply, so what
they take is what the kernel and Python's socket module take.
"""

from __future__ import annotations

import socket
import struct
import sys
import threading

__all__ = ["RawClient"]

_HEADER = struct.Struct(">IIBB")
_REQUEST, _RESPONSE = 1, 2
_READ = 4096  # bytes; a bigger buffer takes longer to make than a frame of 60 bytes to read
_REPLY = b"\x12\x22\x12\x20" + bytes(32)  # Response.payload, an Item with 32 bytes of data


class RawClient:
    """Sends the same request again and again."""

    def __init__(self, path: str, data: bytes) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._data = data
        self._stream = 1

    def call(self) -> bytes:
        """One request, one reply."""
        header = _HEADER.pack(len(self._data), self._stream, _REQUEST, 0)
        self._stream += 2
        self._socket.sendall(header + self._data)
        reply = self._socket.recv(_READ)
        while len(reply) < _HEADER.size + _HEADER.unpack_from(reply)[0]:
            reply += self._socket.recv(_READ)
        return reply

    def close(self) -> None:
        """Let the server see the end."""
        self._socket.close()


def _serve(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    buffer = b""
    while data := connection.recv(_READ):
        buffer += data
        while len(buffer) >= _HEADER.size:
            length, stream, _, _ = _HEADER.unpack_from(buffer)
            end = _HEADER.size + length
            if len(buffer) < end:
                break
            buffer = buffer[end:]
            connection.sendall(_HEADER.pack(len(_REPLY), stream, _RESPONSE, 0) + _REPLY)
    connection.close()


if __name__ == "__main__":
    _serve(sys.argv[1].removeprefix("unix://"))
