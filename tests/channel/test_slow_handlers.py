"""Handlers that take long, beside others: the blocking server gives each a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from tests.support.echo import ECHO, Message
from tests.support.frames import REQUEST, RESPONSE, frame
from tests.support.peer import background, read_frame
from toolkit.errors import DeadlineExceeded
from toolkit.rpc.envelope import decode_response, encode_request, request_prefix
from toolkit.sync.monitor import IDLE_TICKS, TICK

if TYPE_CHECKING:
    from tests.support.flavours import Flavour

UNARY = ECHO["Unary"]
SOON = 5.0


class Slow:
    """Calls that wait until their gate opens."""

    def __init__(self) -> None:
        self.gates = {"first": threading.Event(), "second": threading.Event()}
        self.begun = threading.Semaphore(0)

    def Unary(self, request: Any, context: Any) -> Any:
        if request.text in self.gates:
            self.begun.release()
            self.gates[request.text].wait(2 * SOON)
        return request


def idle_for_long() -> None:
    """Let the monitor of a blocking server find the connection idle, and leave it alone."""
    threading.Event().wait(3 * IDLE_TICKS * TICK)


def test_a_call_that_waits_with_a_deadline_hides_no_later_slow_one(
    flavour: Flavour, address: str
) -> None:
    slow = Slow()
    with (
        flavour.serving(address, {ECHO: slow}) as (_, bound),
        flavour.connect(bound) as channel,
    ):
        first = background(channel.call, UNARY, {"text": "first"}, timeout=4 * SOON)
        assert slow.begun.acquire(timeout=SOON)
        idle_for_long()
        second = background(channel.call, UNARY, {"text": "second"}, timeout=4 * SOON)
        assert slow.begun.acquire(timeout=SOON)

        quick = channel.call(UNARY, {"text": "quick"}, timeout=SOON)

        assert quick.text == "quick"
        assert not first.done()
        assert not second.done()
        for gate in slow.gates.values():
            gate.set()
        assert (first.result(SOON).text, second.result(SOON).text) == ("first", "second")


def slow_request(stream_id: int, text: str, timeout: float) -> bytes:
    payload = Message(text=text).SerializeToString()
    prefix = request_prefix(ECHO.name, "Unary")
    return frame(stream_id, REQUEST, 0, encode_request(prefix, payload, int(timeout * 1e9)))


def test_point_24_a_later_call_with_an_earlier_deadline_ends_at_its_own(flavour: Flavour) -> None:
    slow = Slow()
    with flavour.connection({ECHO: slow}) as client:
        client.sendall(slow_request(1, "first", 4 * SOON))
        assert slow.begun.acquire(timeout=SOON)
        idle_for_long()
        client.sendall(slow_request(3, "second", 0.05))

        stream_id, message_type, _, body = read_frame(client)

        assert (stream_id, message_type) == (3, RESPONSE)
        _, error = decode_response(body)
        assert isinstance(error, DeadlineExceeded)
        for gate in slow.gates.values():
            gate.set()
