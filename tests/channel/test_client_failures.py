"""A client whose peer misbehaves: the call fails as it should, and nothing hangs."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ECHO
from tests.support.frames import frame
from tests.support.peer import background, read_frame, read_to_end
from toolkit.errors import (
    AddressError,
    ConnectFailed,
    ConnectionClosed,
    DeadlineExceeded,
    RemoteProtocolError,
    RpcError,
)
from toolkit.rpc.envelope import decode_request, encode_response
from toolkit.status import Code
from toolkit.wire.frame import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]
RESPONSE, DATA = 2, 3


@pytest.fixture
def pair(flavour: Flavour) -> Iterator[tuple[Any, socket.socket]]:
    """A channel, and the peer's end of its socket."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with theirs, flavour.connect(ours) as channel:
        yield channel, theirs


def answered(pair: tuple[Any, socket.socket], answer: bytes) -> Any:
    """The reply of a call that the peer answers with these bytes."""
    channel, peer = pair
    call = background(channel.call, UNARY, timeout=5)
    read_frame(peer)
    peer.sendall(answer)
    return call.result(10)


def test_the_peer_closes_in_the_middle_of_calls(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    calls = [background(channel.call, UNARY) for _ in range(4)]
    for _ in calls:
        read_frame(peer)
    peer.close()

    errors = [call.exception(5) for call in calls]

    assert all(isinstance(error, ConnectionClosed) and error.by_peer for error in errors)
    assert len({id(error) for error in errors}) == 4
    assert channel.closed


def test_the_peer_closes_in_the_middle_of_a_frame(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    call = background(channel.call, UNARY)
    read_frame(peer)
    peer.sendall(frame(1, RESPONSE, 0, b"abc")[:-1])
    peer.close()

    with pytest.raises(ConnectionClosed, match="in the middle of a frame"):
        call.result(5)


def test_a_call_on_a_connection_that_has_gone_fails(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    peer.close()
    for _ in range(2):
        with pytest.raises(ConnectionClosed) as caught:
            channel.call(UNARY)
        assert caught.value.by_peer


def test_closing_the_channel_fails_the_calls_of_other_threads(
    pair: tuple[Any, socket.socket],
) -> None:
    channel, peer = pair
    calls = [background(channel.call, UNARY, timeout=timeout) for timeout in (None, 10, None)]
    for _ in calls:
        read_frame(peer)
    channel.close()
    channel.close()

    errors = [call.exception(5) for call in calls]

    assert all(isinstance(error, ConnectionClosed) and not error.by_peer for error in errors)
    assert read_to_end(peer) == b""
    with pytest.raises(ConnectionClosed):
        channel.call(UNARY)


def test_point_14_on_close_runs_once_after_the_calls_have_failed(
    pair: tuple[Any, socket.socket],
) -> None:
    channel, peer = pair
    seen: list[str] = []
    channel.on_close(lambda: seen.append("first"))
    call = background(channel.call, UNARY)
    read_frame(peer)
    peer.close()
    call.exception(5)
    channel.close()
    channel.on_close(lambda: seen.append("late"))

    assert seen == ["first", "late"]


def test_a_callback_that_fails_is_logged_and_the_others_run(
    pair: tuple[Any, socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    channel, _ = pair
    seen: list[str] = []
    channel.on_close(lambda: 1 / 0)
    channel.on_close(lambda: seen.append("second"))
    channel.close()

    assert seen == ["second"]
    assert "ZeroDivisionError" in caplog.text


def test_point_12_a_late_reply_is_dropped_and_counted(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    with pytest.raises(DeadlineExceeded) as caught:
        channel.call(UNARY, timeout=0.01)
    read_frame(peer)
    late = frame(1, RESPONSE, 0, encode_response(b"\x0a\x04late"))
    good = frame(3, RESPONSE, 0, encode_response(b"\x0a\x04good"))

    assert answered(pair, late + good).text == "good"
    assert channel.counters.late_frames == 1
    assert not caught.value.by_peer


def test_point_11_a_peer_that_stops_reading_cannot_hold_a_call_past_its_deadline(
    pair: tuple[Any, socket.socket],
) -> None:
    channel, peer = pair
    big = {"data": bytes(3 << 20)}
    for _ in range(3):
        with pytest.raises(DeadlineExceeded):
            channel.call(UNARY, big, timeout=0.05)

    # What was begun is finished, and the calls that were not begun are gone.
    call = background(channel.call, UNARY, {"text": "next"}, timeout=5)
    assert len(read_frame(peer)[3]) > 3 << 20
    stream_id, _, _, request = read_frame(peer)
    peer.sendall(frame(stream_id, RESPONSE))
    call.result(5)
    assert decode_request(request).payload == b"\x0a\x04next"
    assert channel._session.wire.streams == {}


def test_threads_behind_a_blocked_write_keep_their_own_deadlines(
    pair: tuple[Any, socket.socket],
) -> None:
    channel, _ = pair
    first = background(channel.call, UNARY, {"data": bytes(3 << 20)}, timeout=0.15)
    others = [background(channel.call, UNARY, timeout=0.05) for _ in range(5)]

    assert all(isinstance(call.exception(5), DeadlineExceeded) for call in [*others, first])


def test_an_undecodable_response_fails_only_that_call(pair: tuple[Any, socket.socket]) -> None:

    with pytest.raises(RemoteProtocolError, match="the Response is malformed"):
        answered(pair, frame(1, RESPONSE, 0, b"\x12\xff"))
    with pytest.raises(RemoteProtocolError, match=r"2 bytes that are no test\.v1\.Message"):
        answered(pair, frame(3, RESPONSE, 0, b"\x12\x02\x0a\x05"))
    answered(pair, frame(5, RESPONSE))


def test_an_error_status_counts_even_beside_a_payload_that_cannot_be_decoded(
    pair: tuple[Any, socket.socket],
) -> None:
    with pytest.raises(RpcError) as caught:
        answered(pair, frame(1, RESPONSE, 0, b"\x0a\x02\x08\x05\x12\x01\xff"))
    assert caught.value.code is Code.NOT_FOUND


def test_point_13_data_for_a_unary_call_fails_only_that_call(
    pair: tuple[Any, socket.socket],
) -> None:
    hostile = frame(99, RESPONSE) + frame(2, DATA) + frame(1, 9) + frame(1, DATA, 0, b"x")
    with pytest.raises(RemoteProtocolError, match="answers once"):
        answered(pair, hostile)
    answered(pair, frame(3, RESPONSE))


def test_point_3_an_oversize_reply_fails_only_that_call(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    size = (4 << 20) + 1
    call = background(channel.call, UNARY)
    read_frame(peer)
    peer.sendall(HEADER.pack(size, 1, RESPONSE, 0))
    with pytest.raises(RpcError, match="4194305 bytes; TTRPC allows 4194304"):
        call.result(5)
    skipped = background(peer.sendall, bytes(size))
    reply = background(channel.call, UNARY, timeout=5)
    skipped.result(5)
    read_frame(peer)
    peer.sendall(frame(3, RESPONSE, 0, b"\x12\x03\x0a\x01b"))
    assert reply.result(5).text == "b"


@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"]
)
def test_a_peer_that_does_not_speak_ttrpc_is_named_so(
    pair: tuple[Any, socket.socket], greeting: bytes
) -> None:
    with pytest.raises(ConnectionClosed, match="does not speak TTRPC"):
        answered(pair, greeting)
    assert pair[0].closed


def test_a_reply_in_single_bytes_is_a_reply(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    call = background(channel.call, UNARY)
    read_frame(peer)
    for byte in frame(1, RESPONSE, 0, encode_response(b"\x0a\x01a")):
        peer.sendall(bytes((byte,)))
    assert call.result(5).text == "a"


def test_a_request_has_the_timeout_that_is_left(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    call = background(channel.call, UNARY, timeout=5)
    _, _, flags, request = read_frame(peer)
    peer.sendall(frame(1, RESPONSE))
    call.result(5)
    assert flags == 0
    assert 0 < decode_request(request).timeout_nano <= 5_000_000_000


def test_point_9_ids_grow_on_the_wire_whoever_calls(pair: tuple[Any, socket.socket]) -> None:
    channel, peer = pair
    start = threading.Barrier(16)

    def calls() -> None:
        start.wait()
        for _ in range(20):
            channel.call(UNARY, timeout=10)

    threads = [background(calls) for _ in range(16)]
    ids = []
    for _ in range(16 * 20):
        stream_id = read_frame(peer)[0]
        ids.append(stream_id)
        peer.sendall(frame(stream_id, RESPONSE))

    for thread in threads:
        thread.result(5)
    assert ids == list(range(1, 2 * len(ids), 2))


def test_an_unclosed_channel_warns(flavour: Flavour) -> None:
    ours, theirs = socket.socketpair()
    channel = flavour.connect(ours)
    with theirs, pytest.warns(ResourceWarning, match="unclosed <Channel fd://"):
        channel.__del__()
    channel.close()


def test_absent_socket_refused_socket_and_file_are_told_apart(
    flavour: Flavour, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))

    with pytest.raises(ConnectFailed, match="there is no such file"):
        flavour.connect(f"unix://{tmp_path}/absent")
    with pytest.raises(ConnectFailed, match="nobody listens"):
        flavour.connect(f"unix://{tmp_path}/dead")
    with pytest.raises(ConnectFailed, match="a file, not a socket"):
        flavour.connect(f"unix://{tmp_path}/file")
    with pytest.raises(AddressError, match="write unix:///x"):
        flavour.connect("/x")


def test_a_descriptor_that_is_no_socket_is_refused(flavour: Flavour, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(ConnectFailed, match="is no socket"):
        flavour.connect(file.fileno())


def test_connecting_has_a_timeout_of_its_own(flavour: Flavour, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as waiting:
        full.bind(str(tmp_path / "full"))
        full.listen(0)
        waiting.connect(str(tmp_path / "full"))
        with pytest.raises(ConnectFailed, match=r"no answer within 0\.05 s"):
            flavour.connect(f"unix://{tmp_path}/full", timeout=0.05)
