"""``ttrpc call`` of streaming methods: data in, replies out, errors after what came before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tests.support
from tests.cli.command import serving, ttrpc
from tests.support.echo import ECHO
from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTO = Path(tests.support.__file__).with_name("echo.proto")
CALL = ("-s", PROTO)


class Streams:
    """Every kind of stream."""

    def Collect(self, requests: Any, context: Any) -> Any:
        return {"words": [request.text for request in requests]}

    def Expand(self, request: Any, context: Any) -> Iterator[Any]:
        for number in range(request.number):
            yield {"number": number + 1}
        if request.text:
            raise RpcError(Code.ABORTED, request.text)

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server with every kind of stream."""
    with serving((ECHO, Streams())) as address:
        yield address


def replies(text: str) -> list[Any]:
    decoder, found, text = json.JSONDecoder(), [], text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


def test_each_value_of_the_data_is_a_message(server: str) -> None:
    words = '{"text": "a"} {"text": "b"}'
    assert replies(ttrpc("call", server, "Collect", *CALL, "-d", words).out) == [
        {"words": ["a", "b"]}
    ]
    outcome = ttrpc("call", server, "Chat", *CALL, "-d", "@", stdin=words.encode())
    assert replies(outcome.out) == [{"text": "a"}, {"text": "b"}]
    assert outcome.code == 0


def test_each_message_of_the_server_is_a_value(server: str) -> None:
    outcome = ttrpc("call", server, "Expand", *CALL, "-d", '{"number": 3}', "-v")
    assert replies(outcome.out) == [{"number": "1"}, {"number": "2"}, {"number": "3"}]
    assert "Sent 1 request and received 3 responses" in outcome.err


@pytest.mark.parametrize("method", ["Collect", "Chat", "Expand"])
def test_no_data_is_no_message_or_the_empty_request(server: str, method: str) -> None:
    assert ttrpc("call", server, method, *CALL).code == 0


def test_an_error_after_messages_exits_with_its_status(server: str) -> None:
    outcome = ttrpc("call", server, "Expand", *CALL, "-d", '{"number": 1, "text": "enough"}')
    assert outcome.code == 64 + Code.ABORTED
    assert replies(outcome.out) == [{"number": "1"}]
    assert "Code: Aborted" in outcome.err


def test_a_server_that_lacks_the_method_is_not_harmed(server: str) -> None:
    outcome = ttrpc(
        "call", server, "containerd.services.events.v1.Events/Subscribe", "-s", "containerd"
    )
    assert outcome.code == 64 + Code.UNIMPLEMENTED


def test_one_message_is_enough_for_server_streaming(server: str) -> None:
    outcome = ttrpc("call", server, "Expand", *CALL, "-d", "{} {}")
    assert outcome.code == 1
    assert "takes one message; the data holds 2" in outcome.err


def test_a_deadline_covers_the_whole_stream(server: str) -> None:
    outcome = ttrpc(
        "call", server, "Expand", *CALL, "-d", '{"number": "9000000000"}', "--max-time", "0.2"
    )
    assert outcome.code == 64 + Code.DEADLINE_EXCEEDED
