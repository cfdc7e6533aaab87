"""A client: the methods of a service as methods of an object."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.echo import ECHO
from toolkit.rpc.stub import Client


class Recorder:
    """A channel that notes what it is asked for."""

    def call(self, method: Any, message: Any = None, /, **options: Any) -> Any:
        return "call", method.name, message, options

    def stream(self, method: Any, message: Any = None, /, **options: Any) -> Any:
        return "stream", method.name, message, options


client = Client(Recorder(), ECHO)
NOTHING = {"timeout": None, "metadata": None}


def test_a_unary_method_calls_and_a_streaming_one_streams() -> None:
    assert client.Unary() == ("call", "Unary", None, NOTHING)
    assert client.Chat() == ("stream", "Chat", None, NOTHING)


def test_fields_become_the_message_and_options_stay_options() -> None:
    assert client.Unary(text="a", timeout=2, metadata={"k": "v"}) == (
        "call",
        "Unary",
        {"text": "a"},
        {"timeout": 2, "metadata": {"k": "v"}},
    )
    assert client.Unary({"timeout": 3})[2] == {"timeout": 3}


def test_a_message_and_fields_are_one_too_many() -> None:
    with pytest.raises(TypeError, match=r"a message and fields \['text'\]"):
        client.Unary({}, text="a")


def test_methods_are_made_once_and_are_listed() -> None:
    assert client.Unary is client.Unary
    assert client.Unary.__qualname__ == "test.v1.Echo.Unary"
    assert {"Unary", "Chat"} <= set(dir(client))
    assert "test.v1.Echo" in repr(client)


@pytest.mark.parametrize("name", ["Unari", "__wrapped__"])
def test_other_names_are_attribute_errors(name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(client, name)


def test_a_name_is_no_service_and_the_error_shows_how_to_get_one() -> None:
    with pytest.raises(TypeError, match=r"wants a service, not 'a\.Svc': schema\.service\("):
        Client(Recorder(), "a.Svc")  # type: ignore[arg-type]


@pytest.mark.parametrize(("slip", "meant"), [("timeot", "timeout"), ("meta_data", "metadata")])
def test_an_option_with_a_slip_in_it_is_known(slip: str, meant: str) -> None:
    with pytest.raises(TypeError, match=f"no field '{slip}'; did you mean {meant}"):
        client.Unary(text="a", **{slip: 1})


def test_a_keyword_that_is_no_slip_is_left_to_the_message() -> None:
    assert client.Unary(nonsense=1)[2] == {"nonsense": 1}
