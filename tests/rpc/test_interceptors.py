"""Interceptors: an order, and a call that can be changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.echo import ECHO
from toolkit.rpc.interceptors import Call, chain
from toolkit.rpc.metadata import Metadata


def test_the_first_interceptor_is_the_outermost() -> None:
    def note(name: str) -> Any:
        return lambda call, proceed: f"{name}({proceed(call)})"

    call = Call(ECHO["Unary"], None, None, None)
    assert chain([note("a"), note("b")], lambda _: "last")(call) == "a(b(last))"
    assert chain([], lambda _: "last")(call) == "last"


def test_replace_keeps_what_is_not_named() -> None:
    call = Call(ECHO["Unary"], {"text": "a"}, {"K": "v"}, 5.0)
    changed = call.replace(metadata={"other": "w"}, deadline=None)
    assert (changed.method, changed.message) == (call.method, call.message)
    assert changed.metadata == Metadata([("other", "w")])
    assert (changed.deadline, call.deadline) == (None, 5.0)
    assert call.replace().metadata is call.metadata


def test_only_message_metadata_and_deadline_can_be_replaced() -> None:
    with pytest.raises(TypeError, match="can change, not"):
        Call(ECHO["Unary"], None, None, None).replace(method=ECHO["Chat"])
