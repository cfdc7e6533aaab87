"""Our clients make unary calls to foreign servers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop import foreign
from tests.interop.foreign import PEERS
from tests.interop.matrix import Topic, as_client
from tests.interop.service import ABSENT, INTEROP, LACKING, LARGE, Item
from tests.support.peer import background
from toolkit.errors import ConnectionClosed, DeadlineExceeded, RawAny, RpcError
from toolkit.status import Code
from toolkit.wire.frame import HEADER_SIZE, MAX_DATA

if TYPE_CHECKING:
    from tests.interop.foreign import Peer
    from tests.support.flavours import Flavour

pytestmark = [
    pytest.mark.interop,
    pytest.mark.timeout(60),
    pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.path),
]

ECHO, FILL, FAIL, SLEEP, METADATA = (
    INTEROP[name] for name in ("Echo", "Fill", "Fail", "Sleep", "Metadata")
)
LIMIT = 20.0  # seconds for a call, far above what it takes
ITEM_OVERHEAD = 5  # bytes around the data of an item of this size
DETAIL = {"type_url": "toolkit.interop.v1.Size", "value": b"\x08\x07"}


def works(channel: Any) -> bool:
    """Whether the connection carries a call."""
    return bool(channel.call(ECHO, {"number": 7}, timeout=LIMIT).number == 7)


@as_client(Topic.UNARY)
def test_point_36_a_reply_comes(channel: Any) -> None:
    item = Item(number=42, data=b"hello")

    assert channel.call(ECHO, item, timeout=LIMIT) == item


@as_client(Topic.UNARY)
def test_point_1_frames_of_any_size_arrive_whole(channel: Any) -> None:
    for size in (1, 4000, 4096, 4200, 65536, 1 << 20, 4_100_000):
        assert channel.call(ECHO, {"data": bytes(size)}, timeout=LIMIT) == Item(data=bytes(size))


@as_client(Topic.UNARY)
def test_point_10_a_quick_reply_overtakes_a_slow_one(channel: Any) -> None:
    slow = background(channel.call, SLEEP, {"milliseconds": 300}, timeout=LIMIT)

    assert works(channel)
    assert not slow.done()
    assert slow.result(LIMIT) == Item()


@as_client(Topic.EMPTY)
def test_point_4_an_empty_message_is_a_reply(channel: Any) -> None:
    # Go's success has no status, Rust's an empty one; here all else is empty, too.
    assert channel.call(ECHO, timeout=LIMIT) == Item()


@as_client(Topic.LARGE)
def test_point_2_large_messages_go_both_ways_at_once(channel: Any) -> None:
    item = Item(data=bytes(range(256)) * (LARGE // 256))

    calls = [background(channel.call, ECHO, item, timeout=LIMIT) for _ in range(6)]

    assert all(call.result(LIMIT) == item for call in calls)


@as_client(Topic.LARGE)
def test_point_2_a_reply_of_exactly_the_limit_is_taken(channel: Any, peer: Peer) -> None:
    size = MAX_DATA - peer.reply_overhead - ITEM_OVERHEAD

    reply = channel.call(FILL, {"bytes": size}, timeout=LIMIT)

    assert len(reply.data) == size
    assert channel.counters.bytes_received == HEADER_SIZE + MAX_DATA


@as_client(Topic.LARGE)
def test_point_2_a_request_of_exactly_the_limit_is_sent(channel: Any) -> None:
    channel.call(METADATA, {"data": bytes(LARGE)})
    overhead = channel.counters.bytes_sent - HEADER_SIZE - LARGE
    before = channel.counters.bytes_sent

    channel.call(METADATA, {"data": bytes(MAX_DATA - overhead)})

    assert channel.counters.bytes_sent - before == HEADER_SIZE + MAX_DATA


@as_client(Topic.OVERSIZE)
def test_point_2_a_request_over_the_limit_is_refused_here(channel: Any) -> None:
    with pytest.raises(RpcError, match="TTRPC allows 4194304") as caught:
        channel.call(ECHO, {"data": bytes(MAX_DATA)}, timeout=LIMIT)

    assert caught.value.code is Code.RESOURCE_EXHAUSTED
    assert channel.counters.frames_sent == 0
    assert works(channel)


@as_client(Topic.OVERSIZE)
def test_point_3_a_reply_over_the_limit_fails_its_call(channel: Any, peer: Peer) -> None:
    with pytest.raises((RpcError, ConnectionClosed)) as caught:
        channel.call(FILL, {"bytes": MAX_DATA}, timeout=LIMIT)

    if peer.oversize_reply is None:
        assert isinstance(caught.value, ConnectionClosed)
        assert caught.value.by_peer
    else:
        assert isinstance(caught.value, RpcError)
        assert caught.value.code == peer.oversize_reply
        assert works(channel)


@as_client(Topic.METADATA)
def test_point_5_metadata_arrives_with_all_values_in_order(channel: Any) -> None:
    metadata = {"Key-1": ["two", "one"], "key-2": "ünïcode", "none": []}

    seen = channel.call(METADATA, metadata=metadata, timeout=LIMIT)

    pairs = [(entry.key, entry.value) for entry in seen.metadata]
    assert sorted(pairs, key=lambda pair: pair[0]) == [
        ("key-1", "two"),
        ("key-1", "one"),
        ("key-2", "ünïcode"),
    ]


@as_client(Topic.TIMEOUTS)
def test_point_6_the_timeout_travels_with_the_request(channel: Any) -> None:
    with_timeout = channel.call(METADATA, timeout=LIMIT).timeout_nano
    without = channel.call(METADATA).timeout_nano

    assert 0 < with_timeout <= LIMIT * 1e9
    assert without == 0


@as_client(Topic.TIMEOUTS)
def test_point_12_a_call_past_its_deadline_ends_and_the_others_go_on(channel: Any) -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        channel.call(SLEEP, {"milliseconds": 400}, timeout=0.1)

    # The late answer comes while this one is waited for; it is dropped, and counted.
    channel.call(SLEEP, {"milliseconds": 600}, timeout=LIMIT)
    assert channel.counters.late_frames == (0 if caught.value.by_peer else 1)
    assert channel.counters.stray_frames == 0


@as_client(Topic.TIMEOUTS)
def test_point_11_a_peer_that_has_stopped_holds_no_call_past_its_deadline(
    peer: Peer, flavour: Flavour
) -> None:
    with (
        foreign.serving(peer) as server,
        flavour.connect(server.address, timeout=5) as channel,
    ):
        assert works(channel)
        server.pause()
        # The second one cannot even be written.
        calls = [
            background(channel.call, ECHO, {"data": bytes(LARGE)}, timeout=0.3) for _ in range(2)
        ]
        errors = [call.exception(LIMIT) for call in calls]
        server.go_on()

        assert all(isinstance(error, DeadlineExceeded) for error in errors)
        assert works(channel)


@as_client(Topic.UNKNOWN)
def test_point_36_a_service_that_the_server_lacks_is_a_status(channel: Any, peer: Peer) -> None:
    with pytest.raises(RpcError) as caught:
        channel.call(ABSENT["Call"], timeout=LIMIT)

    assert caught.value.code == peer.unknown_service
    assert works(channel)


@as_client(Topic.UNKNOWN)
def test_point_36_a_method_that_the_server_lacks_is_a_status(channel: Any, peer: Peer) -> None:
    with pytest.raises(RpcError) as caught:
        channel.call(LACKING["MissingCall"], timeout=LIMIT)

    assert caught.value.code == peer.unknown_method
    assert works(channel)


@as_client(Topic.ERRORS)
def test_point_4_every_code_arrives_with_its_message(channel: Any) -> None:
    # 17 and 99 are no codes of gRPC; they stay numbers, and errors.
    for code in [*(code for code in Code if code is not Code.OK), 17, 99]:
        with pytest.raises(RpcError) as caught:
            channel.call(FAIL, {"code": code, "message": f"as {code} wants"}, timeout=LIMIT)
        assert (caught.value.code, caught.value.message) == (code, f"as {code} wants")


@as_client(Topic.ERRORS)
def test_point_36_details_arrive_with_an_error(channel: Any) -> None:
    with pytest.raises(RpcError) as caught:
        channel.call(FAIL, {"code": 9, "details": [DETAIL, DETAIL]}, timeout=LIMIT)

    assert caught.value.details == (RawAny("toolkit.interop.v1.Size", b"\x08\x07"),) * 2


@as_client(Topic.CONCURRENT)
def test_point_10_a_thousand_calls_at_once_get_each_its_own_reply(channel: Any) -> None:
    start = threading.Barrier(1000)

    def call(number: int) -> bool:
        start.wait(LIMIT)
        return bool(channel.call(ECHO, {"number": number}, timeout=LIMIT).number == number)

    calls = [background(call, number) for number in range(1000)]

    assert all(call.result(LIMIT) for call in calls)
