"""What the peers really send, replayed: it needs no peer."""

from __future__ import annotations

import socket
import tomllib
from typing import TYPE_CHECKING

import pytest

from tests.interop.record import CALLS, FILE, SCENARIOS, call
from tests.interop.service import INTEROP, SyncInterop
from tests.support.frames import RESPONSE, chunked
from tests.support.peer import background, read_frame
from toolkit.errors import RawAny, RpcError
from toolkit.rpc.envelope import decode_response
from toolkit.wire.frame import HEADER, REMOTE_CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.flavours import Flavour

RECORDINGS = tomllib.loads(FILE.read_text())
SOON = 5.0

# What our server has to answer: messages, and the code at the end.
ANSWERS: dict[str, tuple[list[bytes], int]] = {
    "echo-empty": ([b""], 0),
    "unknown-method": ([], 12),
    "sum-none": ([b""], 0),  # Go's Request is 0x02 with no payload: that is no message
    "sum-empty-items": ([b"\x08\x03"], 0),
    "chat-empty-items": ([b""] * 3, 0),
    "count-none": ([], 0),
}
# What our client has to make of the reply.
RESULTS: dict[str, tuple[list[bytes], int]] = {
    "Echo": ([b""], 0),  # Go's success is no bytes at all, Rust's an empty status: 0a 00
    "Fail": ([], 5),
    "Count": ([b"\x08\x01", b"\x08\x02"], 9),
    "StreamMetadata": ([b""], 0),
    "Sum": ([b"\x08\x03\x18\x03"], 0),
    "Chat": ([b"\x08\x01", b""], 0),
}


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    yield from chunked(data, 1)


def headers_in_four(data: bytes) -> Iterator[bytes]:
    """As Rust's async side writes (proto.rs): length, stream id, type, flags, then the data."""
    while data:
        length = HEADER.unpack_from(data)[0]
        for size in (4, 4, 1, 1, length):
            yield data[:size]
            data = data[size:]


def recordings(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("name", "data"),
        [
            pytest.param(
                each["name"], bytes.fromhex(each["bytes"]), id=f"{each['name']}-{each['peer']}"
            )
            for each in RECORDINGS[kind]
        ],
    )


every_chunking = pytest.mark.parametrize("chunks", [whole, bytewise, headers_in_four])


def answer(client: socket.socket) -> tuple[list[bytes], int]:
    """The messages that come on one stream, and the code at its end."""
    messages: list[bytes] = []
    while True:
        _, message_type, flags, body = read_frame(client)
        if message_type == RESPONSE:
            payload, error = decode_response(body)
            return ([], int(error.code)) if error is not None else ([*messages, payload], 0)
        if flags & REMOTE_CLOSED:
            return messages, 0
        messages.append(body)


@recordings("request")
@every_chunking
def test_point_36_our_server_answers_what_a_peer_has_sent(
    flavour: Flavour, name: str, data: bytes, chunks: Callable[[bytes], Iterator[bytes]]
) -> None:
    with flavour.connection({INTEROP: SyncInterop()}) as client:
        for chunk in chunks(data):
            client.sendall(chunk)

        assert answer(client) == ANSWERS[name]


def reply_with(peer: socket.socket, chunks: Iterator[bytes]) -> None:
    """Read a whole call, then answer it."""
    while True:
        _, message_type, flags, _ = read_frame(peer)
        if flags & REMOTE_CLOSED or (message_type, flags) == (1, 0):
            break
    for chunk in chunks:
        peer.sendall(chunk)


@recordings("reply")
@every_chunking
def test_point_36_our_client_understands_what_a_peer_has_answered(
    flavour: Flavour, name: str, data: bytes, chunks: Callable[[bytes], Iterator[bytes]]
) -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(SOON)
    received: list[bytes] = []
    error = RpcError(0)
    with theirs, flavour.connect(ours) as channel:
        replied = background(reply_with, theirs, chunks(data))
        try:
            received.extend(message.SerializeToString() for message in call(channel, name))
        except RpcError as exc:
            error = exc
        replied.result(SOON)

    assert (received, error.code) == RESULTS[name]
    assert error.details == ((RawAny("a.B", b"\x08\x07"),) if name == "Fail" else ())


def test_every_recording_is_judged() -> None:
    assert {each["name"] for each in RECORDINGS["request"]} == set(SCENARIOS) == set(ANSWERS)
    assert {each["name"] for each in RECORDINGS["reply"]} == set(CALLS) == set(RESULTS)
