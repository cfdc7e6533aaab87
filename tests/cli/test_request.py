"""``-d`` and ``-H``: the messages and the metadata that go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.cli.arguments import parse
from toolkit.cli.errors import CommandError
from toolkit.cli.request import data_of, documents, metadata, one_document

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.cli.arguments import Options

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def options(*argv: str) -> Options:
    return parse("call", "", ("data", "header", "namespace"), "", argv)


@given(st.lists(st.tuples(JSON, st.sampled_from(["\n", " ", "\t\r\n"]))))
def test_concatenated_values_come_apart_again(values: list[tuple[Any, str]]) -> None:
    import json

    texts = [json.dumps(value) for value, _ in values]
    joined = "".join(text + gap for text, (_, gap) in zip(texts, values, strict=True))

    assert documents(joined) == texts


def test_objects_need_no_space_between_them() -> None:
    assert documents('{"a": 1}{"b": 2}') == ['{"a": 1}', '{"b": 2}']


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_white_space_holds_no_value(text: str) -> None:
    assert documents(text) == []


def test_broken_json_says_where() -> None:
    with pytest.raises(CommandError, match="at line 2, column 8"):
        documents('{"id": "a",\n "pid" 7}')


def test_without_data_the_request_is_empty() -> None:
    assert one_document(data_of(options()), "State") == "{}"


def test_two_values_are_one_too_many() -> None:
    with pytest.raises(CommandError, match="State takes one message; the data holds 2"):
        one_document(data_of(options("-d", "{}{}")), "State")


def test_data_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_bytes(b'\xef\xbb\xbf{"id": "web"}')  # an editor's byte order mark

    assert one_document(data_of(options("-d", f"@{path}")), "State") == '{"id": "web"}'


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match="cannot read /no/such/file: No such file"):
        one_document(data_of(options("-d", "@/no/such/file")), "State")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "request.bin"
    path.write_bytes(b"\xff\xfe")

    with pytest.raises(CommandError, match=r"request\.bin is not UTF-8"):
        one_document(data_of(options("-d", f"@{path}")), "State")


def test_headers_keep_their_values_in_order_below_lower_case_keys() -> None:
    found = metadata(options("-H", "Trace: a:b", "-H", "other:", "-H", "trace:  c "))

    assert found == {"trace": ["a:b", "c"], "other": [""]}


def test_a_namespace_is_containerd_s_header() -> None:
    assert metadata(options("-n", "moby")) == {"containerd-namespace-ttrpc": ["moby"]}


def test_broken_json_is_shown_with_a_mark_at_the_place() -> None:
    with pytest.raises(CommandError) as caught:
        documents('{"id": "a",\n "pid" 7}')

    assert str(caught.value).endswith('\n   "pid" 7}\n         ^')


def test_a_lone_dash_is_told_from_stdin() -> None:
    with pytest.raises(CommandError, match="@ or @- is stdin"):
        documents("-")
