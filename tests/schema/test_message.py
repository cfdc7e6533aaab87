"""What is taken for a message, and where what does not fit is."""

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.schema.protos import write_files
from toolkit.errors import MessageError, RawAny
from toolkit.schema.building import Builder
from toolkit.schema.message import as_message

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

TYPES = """syntax = "proto3";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
enum Status { UNKNOWN = 0; RUNNING = 2; }
message Mount { string type = 1; repeated string options = 2; bytes data = 3; }
message All {
  string id = 1; bool flag = 2; uint32 pid = 3; Status status = 4; bytes blob = 5;
  repeated Mount mounts = 6; repeated Status states = 7; repeated int32 numbers = 8;
  map<string, string> labels = 9; map<int32, Mount> by_number = 10; double ratio = 11;
  google.protobuf.Any any = 12; google.protobuf.Timestamp time = 13;
  google.protobuf.Duration pause = 14; google.protobuf.Struct struct = 15;
  repeated google.protobuf.Timestamp times = 16; All inner = 17;
  google.protobuf.ListValue list = 18; optional string maybe = 19;
}
"""
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    return toolkit.load(write_files(tmp_path_factory.mktemp("t"), {"t.proto": TYPES}) / "t.proto")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    text = TYPES + "// Another pool.\n"
    return toolkit.load(write_files(tmp_path_factory.mktemp("o"), {"o.proto": text}) / "o.proto")


@pytest.fixture(scope="module")
def cls(schema: Schema) -> type[Any]:
    return schema.message("t.All")


def test_nothing_is_the_empty_message(cls: type[Any]) -> None:
    assert as_message(cls, None) == cls()
    assert as_message(cls, {}) == cls()


def test_a_message_of_the_class_is_itself(cls: type[Any]) -> None:
    message = cls(id="a")

    assert as_message(cls, message) is message


def test_a_message_of_another_schema_goes_by_its_bytes(cls: type[Any], other: Schema) -> None:
    message = other.message("t.All")(id="a", mounts=[{"type": "bind"}])

    assert as_message(cls, message) == cls(id="a", mounts=[{"type": "bind"}])


FITS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scalars": ({"id": "a", "flag": True, "pid": 5, "blob": b"\xff"},) * 2,
    "an enum by name": ({"status": "RUNNING"}, {"status": 2}),
    "an enum by number": ({"status": 2}, {"status": 2}),
    "an enum's unknown number": ({"status": 99}, {"status": 99}),
    "enums by name in a list": ({"states": ["RUNNING", 0]}, {"states": [2, 0]}),
    "None leaves a field out": ({"id": None, "mounts": None, "inner": None}, {}),
    "None within": ({"mounts": [{"type": None}]}, {"mounts": [{}]}),
    "an empty message is there": ({"inner": {}}, {"inner": {}}),
    "an empty text that is there": ({"maybe": ""}, {"maybe": ""}),
    "a tuple": ({"numbers": (1, 2)}, {"numbers": [1, 2]}),
    "a set": ({"numbers": {1}}, {"numbers": [1]}),
    "a range": ({"numbers": range(3)}, {"numbers": [0, 1, 2]}),
    "an int for a float": ({"ratio": 1}, {"ratio": 1.0}),
    "a map": ({"labels": {"a": "b"}}, {"labels": {"a": "b"}}),
    "another mapping": ({"labels": MappingProxyType({"a": "b"})}, {"labels": {"a": "b"}}),
    "a mapping for a message": ({"inner": MappingProxyType({"id": "a"})}, {"inner": {"id": "a"}}),
    "a date": ({"time": NOW, "times": [NOW]}, {"time": NOW, "times": [{"seconds": 1767323045}]}),
    "a period": ({"pause": dt.timedelta(seconds=2)}, {"pause": {"seconds": 2}}),
    "a plain object for a Struct": ({"struct": {"a": [1, None, {"b": True}]}},) * 2,
    "a list for a ListValue": ({"list": [1, "a"]}, {"list": [1, "a"]}),
    "a raw Any": ({"any": RawAny("t", b"x")}, {"any": {"type_url": "t", "value": b"x"}}),
}


@pytest.mark.parametrize(("given", "meant"), FITS.values(), ids=FITS.keys())
def test_a_mapping_is_the_fields(
    cls: type[Any], given: dict[str, Any], meant: dict[str, Any]
) -> None:
    wanted = cls(**meant)

    assert as_message(cls, given) == wanted
    assert Builder(cls).build(given) == wanted
    assert as_message(cls, {"inner": given}) == cls(inner=wanted)


def test_a_map_of_messages_is_built(cls: type[Any]) -> None:
    message = as_message(cls, {"by_number": {7: {"type": "bind"}}})

    assert message.by_number[7].type == "bind"


def test_messages_of_both_pools_mix_in_a_list(
    cls: type[Any], schema: Schema, other: Schema
) -> None:
    mounts = [
        {"type": "a"},
        schema.message("t.Mount")(type="b"),
        other.message("t.Mount")(type="c"),
    ]

    message = as_message(cls, {"mounts": mounts, "any": other.pack("t.Mount")})

    assert [mount.type for mount in message.mounts] == ["a", "b", "c"]
    assert message.any.type_url == "t.Mount"


def test_an_iterator_is_used_up_once(cls: type[Any], other: Schema) -> None:
    mounts = (make(type=text) for make, text in ((dict, "a"), (other.message("t.Mount"), "b")))

    assert len(as_message(cls, {"mounts": mounts}).mounts) == 2


WRONG: dict[str, tuple[object, str, str]] = {
    "no mapping": ("x", "", "got 'x', wanted a t.All"),
    "an int": (5, "", "got 5 (int)"),
    "bool for an int": ({"pid": True}, "pid", "got True (bool), wanted uint32"),
    "bool for an enum": ({"status": True}, "status", "wanted t.Status"),
    "float for an int": ({"pid": 1.5}, "pid", "wanted uint32"),
    "text for an int": ({"pid": "5"}, "pid", "got '5', wanted uint32"),
    "an int out of range": ({"pid": 2**32}, "pid", "wanted uint32"),
    "an int for text": ({"id": 5}, "id", "wanted string"),
    "bytes for text": ({"id": b"a"}, "id", "got b'a' (bytes), wanted string"),
    "text for bytes": ({"blob": "a"}, "blob", "wanted bytes"),
    "half a surrogate pair": ({"id": "\ud800"}, "id", "wanted string"),
    "text for a list": ({"mounts": [{"options": "ro"}]}, "mounts[0].options", "a list of string"),
    "text for numbers": ({"numbers": b"abc"}, "numbers", "a list of int32"),
    "a mapping for a list": ({"mounts": {"type": "a"}}, "mounts", "a list of t.Mount"),
    "no list": ({"numbers": 5}, "numbers", "a list of int32"),
    "within a list": ({"numbers": [1, "a"]}, "numbers[1]", "wanted int32"),
    "bytes in a list of text": (
        {"mounts": [{"options": [b"x"]}]},
        "mounts[0].options[0]",
        "string",
    ),
    "None in a list": ({"mounts": [{}, None]}, "mounts[1]", "got None, wanted a t.Mount"),
    "a map's key": ({"labels": {5: "a"}}, "labels[5]", "wanted string"),
    "a map's value": ({"labels": {"a": 5}}, "labels['a']", "wanted string"),
    "None in a map": ({"labels": {"a": None}}, "labels['a']", "got None"),
    "no map": ({"labels": ["a"]}, "labels", "a mapping of string to string"),
    "within a map": ({"by_number": {7: {"type": 5}}}, "by_number[7].type", "wanted string"),
    "deep down": ({"inner": {"inner": {"id": 5}}}, "inner.inner.id", "wanted string"),
    "no time": ({"time": "now"}, "time", "google.protobuf.Timestamp"),
    "a JSON bytes field": ({"any": {"value": "AA=="}}, "any.value", "wanted bytes"),
    "an odd Struct": ({"struct": {"a": object()}}, "struct", "got"),
}


@pytest.mark.parametrize(("value", "path", "reason"), WRONG.values(), ids=WRONG.keys())
def test_what_does_not_fit_is_named_by_its_path(
    cls: type[Any], value: Any, path: str, reason: str
) -> None:
    with pytest.raises(MessageError) as caught:
        as_message(cls, value)

    assert caught.value.path == path
    assert reason in caught.value.reason
    assert caught.value.message == "t.All"
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("value", "path", "nearest"),
    [
        ({"idd": "a"}, "idd", "id"),
        ({"mounts": [{}, {"typ": "a"}]}, "mounts[1].typ", "type"),
        ({"byNumber": {}}, "byNumber", "by_number"),
        ({"status": "RUNNIN"}, "status", "RUNNING"),
    ],
)
def test_a_wrong_name_comes_with_the_nearest(
    cls: type[Any], value: dict[str, Any], path: str, nearest: str
) -> None:
    with pytest.raises(MessageError) as caught:
        as_message(cls, value)

    assert caught.value.path == path
    assert nearest in caught.value.nearest


def test_a_field_name_that_is_no_text_is_none(cls: type[Any]) -> None:
    with pytest.raises(MessageError, match="no such field"):
        as_message(cls, {1: "a"})  # type: ignore[dict-item]  # what the test is about


def test_a_message_of_another_type_is_refused_by_name(cls: type[Any], schema: Schema) -> None:
    mount = schema.message("t.Mount")()

    with pytest.raises(MessageError, match=r"got a t\.Mount, wanted a t\.All"):
        as_message(cls, mount)
    with pytest.raises(MessageError, match=r"schema\.pack\(\)"):
        as_message(cls, {"any": mount})


def test_bytes_that_another_schema_means_otherwise_are_refused(
    cls: type[Any], tmp_path: Path
) -> None:
    text = 'syntax = "proto3";\npackage t;\nmessage All { bytes id = 1; }\n'
    strange = toolkit.load(write_files(tmp_path, {"s.proto": text}) / "s.proto")

    with pytest.raises(MessageError, match="not alike"):
        as_message(cls, strange.message("t.All")(id=b"\xff"))


def test_an_unknown_field_is_named_once_with_the_fields_that_there_are(cls: type[Any]) -> None:
    mount = {"mounts": [{"typ": "bind"}]}

    with pytest.raises(MessageError) as caught:
        as_message(cls, mount)

    text = str(caught.value)
    assert text.count("typ:") == 1
    assert "no such field of t.Mount; it has type" in text
    assert text.endswith("did you mean type?")


def test_a_wrong_enum_value_lists_those_that_there_are(cls: type[Any]) -> None:
    with pytest.raises(MessageError) as caught:
        as_message(cls, {"status": "NONE_SUCH"})

    values = cls.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_name
    assert all(name in str(caught.value) for name in values)
