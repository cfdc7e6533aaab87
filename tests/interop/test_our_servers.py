"""Foreign clients call our servers: every scenario that a peer's program knows.

Each runs with an echo after it, over one connection, which shows that the connection lives on.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pytest

from tests.interop import foreign, ours
from tests.interop.foreign import GO, GO_1_1, PEERS, RUST, STREAMING
from tests.interop.matrix import Topic, as_server
from tests.interop.service import INTEROP, LARGE, implementation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _pytest.mark.structures import ParameterSet

    from tests.interop.foreign import Peer
    from tests.support.flavours import Flavour

Report: TypeAlias = "Callable[[str], dict[str, Any]]"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]


class Scenario(NamedTuple):
    """What a client is to report; ``unary`` says whether every peer has it."""

    name: str
    topic: Topic
    values: Mapping[str, Any] = MappingProxyType({})
    code: int = 0
    message: str = ""
    unary: bool = False


REFUSED = "no such thing"
MISSING_SERVICE, MISSING_METHOD = "service toolkit.interop.v1.Missing", "method Missing"
SIZES = [1, 4000, 4096, 4200, 65536, 1 << 20, 4_100_000]

SCENARIOS = [
    Scenario("echo", Topic.UNARY, unary=True),
    Scenario("echo-sizes", Topic.UNARY, {"sizes": SIZES}, unary=True),
    Scenario("overtake", Topic.UNARY, unary=True),
    Scenario("echo-empty", Topic.EMPTY, unary=True),
    Scenario("echo-large", Topic.LARGE, unary=True),
    Scenario("fill-oversize", Topic.OVERSIZE, code=8, unary=True),
    Scenario("sleep", Topic.TIMEOUTS, unary=True),
    Scenario("fail", Topic.ERRORS, code=5, message=REFUSED, unary=True),
    Scenario("unknown-service", Topic.UNKNOWN, code=12, message=MISSING_SERVICE, unary=True),
    Scenario("unknown-method", Topic.UNKNOWN, code=12, message=MISSING_METHOD, unary=True),
    Scenario("concurrent", Topic.CONCURRENT, {"calls": 1000}, unary=True),
    Scenario("count", Topic.SERVER_STREAMING, {"received": 100}),
    Scenario("count-none", Topic.SERVER_STREAMING, {"received": 0}),
    Scenario("count-large", Topic.LARGE, {"received": 4}),
    Scenario("count-fail", Topic.ERRORS, {"received": 3}, 9, "three are enough"),
    Scenario("sum", Topic.CLIENT_STREAMING, {"items": 100, "bytes": 0, "sum": 5050}),
    Scenario("sum-none", Topic.CLIENT_STREAMING, {"items": 0, "bytes": 0, "sum": 0}),
    Scenario("sum-empty-items", Topic.EMPTY, {"items": 3, "bytes": 0, "sum": 0}),
    Scenario("sum-large", Topic.LARGE, {"items": 2, "bytes": 2 * LARGE, "sum": 0}),
    Scenario("sum-fail", Topic.ERRORS, code=3, message="-1 is negative"),
    Scenario("chat", Topic.BIDI, {"received": 100}),
    Scenario("chat-none", Topic.BIDI, {"received": 0}),
    Scenario("chat-empty-items", Topic.EMPTY, {"received": 3}),
    Scenario("chat-pipelined", Topic.BIDI, {"received": 1000}),
    Scenario("chat-many", Topic.CONCURRENT, {"streams": 100}),
    Scenario("divide", Topic.BIDI, {"quotients": [3, 3]}),
    Scenario("divide-fail", Topic.ERRORS, {"quotients": [3]}, 3, "1 divided by zero"),
    Scenario("stream-beside-calls", Topic.BIDI),
    Scenario("unknown-stream-service", Topic.UNKNOWN, code=12, message=MISSING_SERVICE),
    Scenario("unknown-stream-method", Topic.UNKNOWN, code=12, message=MISSING_METHOD),
]
# Those that the clients report in ways of their own, or that take more than one look.
OTHERS = {
    *("echo-oversize", "deadline", "cancel", "metadata", "timeout"),
    *("fail-details", "fail-unknown-code", "count-deadline", "stream-metadata"),
}

every_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.path)
every_streaming_peer = pytest.mark.parametrize("peer", STREAMING, ids=lambda peer: peer.path)


@pytest.fixture
def report(peer: Peer, flavour: Flavour, our_servers: Callable[[str], str]) -> Any:
    """Runs a scenario against our server, and gives what the client says about it."""
    address = our_servers(flavour.name)

    def run(name: str) -> dict[str, Any]:
        outcome, after = foreign.scenarios(peer, address, name, "echo")
        assert after["ok"]
        return outcome

    return run


def cells() -> list[ParameterSet]:
    return [
        pytest.param(
            scenario, peer, marks=as_server(scenario.topic), id=f"{scenario.name}-{peer.path}"
        )
        for scenario in SCENARIOS
        for peer in (PEERS if scenario.unary else STREAMING)
    ]


@pytest.mark.parametrize(("scenario", "peer"), cells())
def test_point_36_a_foreign_client_gets_what_it_should(scenario: Scenario, report: Report) -> None:
    outcome = report(scenario.name)

    assert outcome["ok"] == (scenario.code == 0), outcome
    assert outcome.get("code", 0) == scenario.code
    assert outcome.get("message", "").startswith(scenario.message)
    assert outcome.get("values", {}) == scenario.values


@every_peer
def test_every_scenario_of_the_peers_is_judged(
    peer: Peer, flavour: Flavour, our_servers: Callable[[str], str]
) -> None:
    outcomes = foreign.scenarios(peer, our_servers(flavour.name))

    assert {outcome["scenario"] for outcome in outcomes} <= OTHERS | {
        each.name for each in SCENARIOS
    }


@as_server(Topic.OVERSIZE)
@every_peer
def test_point_3_a_request_over_the_limit_fails_alone(peer: Peer, report: Report) -> None:
    outcome = report("echo-oversize")

    if peer.is_rust:  # refuses to send it, without a status (proto.rs)
        assert outcome["error"] == "other"
        assert "exceed maximum message size" in outcome["message"]
    else:
        # Go 1.2 refuses to send it; 1.1 sends it (channel.go), and gets the answer from us.
        assert outcome["code"] == 8
        assert ("TTRPC allows" in outcome["message"]) == (peer == GO_1_1)


@as_server(Topic.TIMEOUTS)
@every_peer
def test_point_24_a_deadline_ends_the_call_of_a_foreign_client(
    report: Report,
) -> None:
    outcome = report("deadline")

    # The client's clock and ours, which answers with the status, end it at the same time.
    assert outcome.get("error") == "deadline" or outcome.get("code") == 4


@as_server(Topic.TIMEOUTS)
@pytest.mark.parametrize("peer", [GO, GO_1_1, RUST], ids=lambda peer: peer.path)
def test_a_call_that_its_client_gave_up_disturbs_nobody(
    report: Report,
) -> None:
    assert report("cancel")["error"] == "cancelled"


@as_server(Topic.TIMEOUTS)
@every_peer
def test_point_6_the_timeout_of_a_foreign_client_arrives(
    report: Report,
) -> None:
    assert 0 < report("timeout")["values"]["timeout_nano"] <= 10e9


@as_server(Topic.TIMEOUTS)
@every_streaming_peer
def test_point_24_a_deadline_ends_the_stream_of_a_foreign_client(
    peer: Peer, report: Report
) -> None:
    outcome = report("count-deadline")

    assert outcome["values"] == {"received": 0}
    if peer.is_rust:
        # The client leaves ending the stream to the server, so this is our status.
        assert outcome["code"] == 4
    else:
        # Go's client sends no timeout with a stream (ttrpc #159); its own clock ends it.
        assert outcome["error"] == "deadline"


@as_server(Topic.METADATA)
@every_peer
def test_point_5_the_metadata_of_a_foreign_client_arrives_in_order(
    report: Report,
) -> None:
    # Go's WithMetadata keeps the case of "Key-1"; keys are compared in lower case here. The
    # clients hold them in maps, so the order is that of the values of each key.
    metadata = report("metadata")["values"]["metadata"]

    assert sorted(metadata, key=lambda pair: pair[0]) == [
        ["key-1", "one"],
        ["key-1", "two"],
        ["key-2", "ünïcode"],
    ]


@as_server(Topic.METADATA)
@every_streaming_peer
def test_point_15_the_metadata_of_a_foreign_stream_arrives(peer: Peer, report: Report) -> None:
    seen = report("stream-metadata")["values"]

    if peer.is_rust:
        assert ["key-1", "one"] in seen["metadata"]
        assert 0 < seen["timeout_nano"] <= 10e9
    else:  # Go's client sends neither with a stream (ttrpc #159)
        assert seen == {"metadata": [], "timeout_nano": 0}


@as_server(Topic.ERRORS)
@pytest.mark.parametrize(
    # The client over Go 1.1 has gogo's codec, which cannot take the details apart.
    "peer",
    [peer for peer in PEERS if peer != GO_1_1],
    ids=lambda peer: peer.path,
)
def test_point_36_a_foreign_client_gets_the_details(
    report: Report,
) -> None:
    outcome = report("fail-details")

    assert (outcome["code"], outcome["message"]) == (5, REFUSED)
    assert outcome["details"] == [{"type_url": "toolkit.interop.v1.Size", "value": "CAc="}]


@as_server(Topic.ERRORS)
@every_peer
def test_point_4_an_unknown_code_arrives_as_it_was_raised(peer: Peer, report: Report) -> None:
    outcome = report("fail-unknown-code")

    if peer.is_rust:
        # The crate decodes the code as an enum whose unknown values read as OK, and takes the
        # error for success (client.rs): no server can make it see this one.
        assert outcome["ok"]
    else:
        assert outcome["code"] == 99


@as_server(Topic.CONCURRENT)
@pytest.mark.parametrize("peer", [RUST], ids=lambda peer: peer.path)
def test_point_36_rusts_client_with_64_calls_in_flight_is_served(
    peer: Peer, flavour: Flavour, our_servers: Callable[[str], str]
) -> None:
    assert foreign.load(peer, our_servers(flavour.name), callers=64)["count"] > 64


@as_server(Topic.CONCURRENT)
@pytest.mark.parametrize("peer", [RUST], ids=lambda peer: peer.path)
def test_point_22_ids_that_go_up_and_down_are_served(peer: Peer, flavour: Flavour) -> None:
    # On threads, Rust's client takes an id before it queues for the socket (async/client.rs).
    # Go's server refuses the lower ones.
    ids: list[int] = []

    def note(direction: str, stream_id: int, message_type: int, flags: int, size: int) -> None:
        if direction == "received":
            ids.append(stream_id)

    with ours.serving(flavour.name, INTEROP, implementation(flavour.name), trace=note) as address:
        for _ in range(10):
            served = foreign.load(peer, address, callers=64, threads=2)["count"]
            assert served == len(ids)
            if ids != sorted(ids):
                break
            ids.clear()

    assert ids != sorted(ids), "it sent its ids in order, ten times over"


@as_server(Topic.CONCURRENT)
@pytest.mark.parametrize("peer", [RUST], ids=lambda peer: peer.path)
def test_point_22_rusts_client_on_threads_makes_a_thousand_calls_at_once(
    peer: Peer, flavour: Flavour, our_servers: Callable[[str], str]
) -> None:
    names = ["concurrent"] * 5

    outcomes = foreign.scenarios(peer, our_servers(flavour.name), *names, threads=2)

    assert [outcome["ok"] for outcome in outcomes] == [True] * 5
