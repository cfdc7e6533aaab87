"""Metadata: many values, kept order, lower-case keys, text only."""

from __future__ import annotations

from typing import Any

import pytest

from toolkit.rpc.metadata import Metadata, pairs_of


def test_point_5_values_keep_their_order_and_keys_become_lower_case() -> None:
    given = {"Key-1": ["b", "a"], "key-2": "c", "none": []}
    assert pairs_of(given) == [("key-1", "b"), ("key-1", "a"), ("key-2", "c")]


@pytest.mark.parametrize("given", [None, {}])
def test_no_metadata_is_no_pairs(given: dict[str, str] | None) -> None:
    assert pairs_of(given) == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({1: "a"}, "a key is text, not int"),
        ({"": "a"}, "key is empty"),
        ({"k": b"a"}, "a value is text, not bytes"),
        ({"k": 5}, "a value is text, not int"),
        ("k:a", "metadata is a str, 'k:a'; wanted a mapping"),
        ({"k": [b"a"]}, "a value is text, not bytes"),
        ({"k": "\udcff"}, "no text that UTF-8 can hold"),
    ],
)
def test_point_5_anything_but_text_is_refused(given: Any, reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        pairs_of(given)


def test_lookup_is_in_lower_case_also_for_keys_that_were_not() -> None:
    metadata = Metadata([("A", "1"), ("a", "2"), ("b", "3")])
    assert metadata.get("A") == "1"
    assert metadata.get_all("a") == ["1", "2"]
    assert metadata.get("c") is None
    assert metadata.get("c", "d") == "d"
    assert metadata.items() == [("a", "1"), ("a", "2"), ("b", "3")]
    assert metadata.keys() == list(metadata) == ["a", "b"]
    assert len(metadata) == 2
    assert "B" in metadata
    assert 3 not in metadata


def test_metadata_can_be_sent_on_as_it_is() -> None:
    metadata = Metadata([("a", "1"), ("a", "2")])
    assert Metadata(pairs_of(metadata)) == metadata
    assert repr(metadata) == "Metadata([('a', '1'), ('a', '2')])"
