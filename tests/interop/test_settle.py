"""Servers of Go ttrpc 1.2.0 to 1.2.7 die of a stray stream frame; ``settle`` sends none."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop import foreign
from tests.interop.foreign import GO, GO_1_2_7
from tests.interop.matrix import Topic, as_client, beside
from tests.interop.service import ABSENT, INTEROP, LACKING
from toolkit.errors import ConnectionClosed, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.foreign import ForeignServer, Peer
    from tests.support.flavours import Flavour

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60), beside(GO_1_2_7)]

SETTLE = 0.1  # seconds, what the command line takes
LIMIT = 10.0
UNKNOWN = [ABSENT["Chat"], ABSENT["Collect"], LACKING["MissingChat"], LACKING["MissingCollect"]]

every_unknown = pytest.mark.parametrize("method", UNKNOWN, ids=lambda method: method.full_name)


@pytest.fixture
def server() -> Iterator[ForeignServer]:
    """A server that a test may kill."""
    with foreign.serving(GO_1_2_7) as server:
        yield server


@pytest.fixture
def channel(flavour: Flavour, server: ForeignServer) -> Iterator[Any]:
    """Our channel to it."""
    with flavour.connect(server.address, timeout=5) as channel:
        yield channel


def lives(server: ForeignServer, channel: Any) -> bool:
    """Whether the server answers on the same connection."""
    echo = INTEROP["Echo"]
    return bool(channel.call(echo, {"number": 7}, timeout=LIMIT).number == 7) and server.alive


@contextlib.contextmanager
def unsettled(channel: Any, server: ForeignServer, method: Any) -> Iterator[Any]:
    """A stream whose first message is there before the server can have refused it."""
    server.pause()
    with channel.stream(method, {}, timeout=LIMIT) as stream:
        server.go_on()
        yield stream


@every_unknown
def test_without_settle_a_message_to_an_unknown_stream_kills_the_server(
    channel: Any, server: ForeignServer, method: Any
) -> None:
    with unsettled(channel, server, method) as stream:
        with pytest.raises((ConnectionClosed, RpcError)):
            stream.receive()
        server.process.wait(LIMIT)

    assert "panic" in server.said


@every_unknown
def test_point_17_with_settle_the_refusal_comes_first_and_the_server_lives(
    channel: Any, server: ForeignServer, method: Any
) -> None:
    with channel.stream(method, settle=SETTLE, timeout=LIMIT) as stream:
        with pytest.raises(RpcError) as caught:
            stream.send({})
        with pytest.raises(RpcError):
            stream.receive()
        stream.close_send()

    assert caught.value.code is Code.UNIMPLEMENTED
    assert lives(server, channel)


@every_unknown
def test_point_17_with_settle_closing_at_once_is_as_safe(
    channel: Any, server: ForeignServer, method: Any
) -> None:
    with channel.stream(method, settle=SETTLE, timeout=LIMIT) as stream:
        stream.close_send()
        with pytest.raises(RpcError) as caught:
            stream.receive()

    assert caught.value.code is Code.UNIMPLEMENTED
    assert lives(server, channel)


@pytest.mark.parametrize("method", [ABSENT["Expand"], LACKING["MissingExpand"]])
def test_an_unknown_server_stream_needs_no_settle(
    channel: Any, server: ForeignServer, method: Any
) -> None:
    with channel.stream(method, {}, timeout=LIMIT) as stream:
        with pytest.raises(RpcError) as caught:
            stream.receive()
        stream.close_send()

    assert caught.value.code is Code.UNIMPLEMENTED
    assert lives(server, channel)


def test_a_stream_that_the_server_has_settles_too(channel: Any, server: ForeignServer) -> None:
    with channel.stream(INTEROP["Chat"], {"number": 1}, settle=SETTLE, timeout=LIMIT) as stream:
        stream.send({"number": 2})
        stream.close_send()
        assert [item.number for item in stream] == [1, 2]

    assert lives(server, channel)


def test_a_stream_that_is_left_unused_harms_nobody(channel: Any, server: ForeignServer) -> None:
    for method in UNKNOWN:
        with channel.stream(method, timeout=LIMIT):
            pass

    assert lives(server, channel)


@as_client(Topic.UNKNOWN)
@pytest.mark.parametrize("peer", [GO], ids=lambda peer: peer.path)
@every_unknown
def test_a_later_server_lives_without_settle(peer: Peer, flavour: Flavour, method: Any) -> None:
    with (
        foreign.serving(peer) as server,
        flavour.connect(server.address, timeout=5) as channel,
    ):
        with unsettled(channel, server, method) as stream, pytest.raises(RpcError) as caught:
            stream.receive()

        assert caught.value.code is Code.UNIMPLEMENTED
        assert lives(server, channel)
