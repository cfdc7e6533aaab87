"""JSON out and in: protobuf's mapping, and Anys as containerd writes them."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toolkit
from tests.schema.protos import write_files
from tests.schema.samples import filled
from toolkit.errors import MessageError
from toolkit.schema.jsonio import from_value, to_value

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Process"
OPTIONS = "containerd.runc.v1.Options"
STATE = "containerd.task.v3.StateResponse"
CREATE = "containerd.task.v3.CreateTaskRequest"
UPDATE = "containerd.task.v3.UpdateTaskRequest"

RELEASES = [release.name for release in toolkit.releases()]

ZOO = """syntax = "proto3";
package zoo;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Colour { NONE = 0; RED = 1; }
message All {
  double a_double = 20; float a_float = 19; int32 an_int32 = 18; int64 an_int64 = 17;
  uint32 a_uint32 = 16; uint64 a_uint64 = 15; bool a_bool = 14; string a_string = 13;
  bytes some_bytes = 12; Colour colour = 11; All inner = 10; repeated All many = 9;
  repeated bytes blobs = 8; repeated Colour colours = 7; map<string, All> by_name = 6;
  map<bool, int64> by_bool = 5; map<int64, double> by_number = 4;
  oneof choice { string text = 3; int32 number = 2; google.protobuf.NullValue nothing = 31; }
  optional string maybe = 1;
  google.protobuf.Any any = 21; google.protobuf.Duration duration = 22;
  google.protobuf.FieldMask mask = 23; google.protobuf.Struct struct = 24;
  google.protobuf.Value value = 25; google.protobuf.ListValue list = 26;
  google.protobuf.Timestamp time = 27; google.protobuf.Int64Value wrapped = 28;
  google.protobuf.BytesValue wrapped_bytes = 29; repeated google.protobuf.Any anys = 30;
}
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    folder: Path = write_files(tmp_path_factory.mktemp("zoo"), {"zoo.proto": ZOO})
    return toolkit.load(folder / "zoo.proto")


@pytest.fixture(scope="module")
def schema() -> Schema:
    return toolkit.load("containerd@2.3")


def same(left: Any, right: Any) -> bool:
    """Whether two messages are equal, a NaN to itself too."""
    one, other = (side.SerializePartialToString(deterministic=True) for side in (left, right))
    return bool(one == other)


# What holds of every message


@pytest.mark.parametrize("release", RELEASES)
def test_every_message_of_every_release_goes_out_and_comes_back(release: str) -> None:
    schema = toolkit.load(release)
    rng = random.Random(release)
    names = [name for name, found in schema.symbols().items() if hasattr(found, "nested_types")]

    for name in names:
        cls = schema.message(name)
        if cls.DESCRIPTOR.GetOptions().map_entry:
            continue
        message = filled(schema, cls, rng)
        text = schema.to_json(message, indent=None)
        assert same(schema.from_json(name, text), message), text


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.builds(random.Random, st.integers()), st.booleans(), st.booleans())
def test_any_message_goes_out_and_comes_back(
    zoo: Schema, rng: random.Random, defaults: bool, proto_names: bool
) -> None:
    message = filled(zoo, zoo.message("zoo.All"), rng)

    text = zoo.to_json(message, defaults=defaults, proto_names=proto_names)

    assert same(zoo.from_json("zoo.All", text), message)


PLAIN = """syntax = "proto3";
package plain;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
enum Colour { NONE = 0; RED = 1; }
message All {
  double a_double = 1; float a_float = 2; int32 an_int32 = 3; fixed64 a_fixed64 = 4;
  sint64 a_sint64 = 5; bool a_bool = 6; string a_string = 7; bytes some_bytes = 8;
  Colour colour = 9; repeated All many = 10; map<string, All> by_name = 11;
  map<bool, int64> by_bool = 12; oneof choice { string text = 13; int32 number = 14; }
  google.protobuf.Struct struct = 15; repeated google.protobuf.DoubleValue wrapped = 16;
}
"""


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.builds(random.Random, st.integers()))
def test_without_anys_it_is_what_protobuf_itself_says(tmp_path: Path, rng: random.Random) -> None:
    schema = toolkit.load(write_files(tmp_path, {"plain.proto": PLAIN}) / "plain.proto")
    message = filled(schema, schema.message("plain.All"), rng)

    ours = to_value(schema, message)

    theirs = json_format.MessageToDict(message, descriptor_pool=schema.pool)
    assert json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)
    read = json_format.ParseDict(ours, type(message)(), descriptor_pool=schema.pool)
    assert same(read, from_value(schema, type(message), theirs))


# Out


def test_fields_come_in_the_order_of_their_declaration(zoo: Schema) -> None:
    message = zoo.message("zoo.All")(maybe="m", text="t", a_string="s", a_double=1)

    assert list(to_value(zoo, message)) == ["aDouble", "aString", "text", "maybe"]


def test_names_can_be_those_of_the_source(schema: Schema) -> None:
    message = schema.message(STATE)(exec_id="x")

    assert to_value(schema, message) == {"execId": "x"}
    assert to_value(schema, message, proto_names=True) == {"exec_id": "x"}


def test_defaults_can_be_shown(schema: Schema) -> None:
    message = schema.message(STATE)(id="x")

    shown = to_value(schema, message, defaults=True)

    assert shown["pid"] == 0
    assert shown["status"] == "UNKNOWN"
    assert "exitedAt" not in shown


def test_goes_zero_time_is_printed(schema: Schema) -> None:
    message = schema.message(STATE)()
    message.exited_at.seconds = -62135596800

    assert to_value(schema, message) == {"exitedAt": "0001-01-01T00:00:00Z"}


def test_a_time_that_there_is_not_keeps_its_numbers(schema: Schema) -> None:
    message = schema.message(STATE)()
    message.exited_at.seconds = 10**15

    text = schema.to_json(message)

    assert json.loads(text) == {"exitedAt": {"seconds": "1000000000000000"}}
    assert schema.from_json(STATE, text) == message


def test_an_enum_number_without_a_name_stays_a_number(schema: Schema) -> None:
    message = schema.message(STATE)(status=99)

    assert to_value(schema, message) == {"status": 99}
    assert schema.from_json(STATE, '{"status": 99}') == message


def test_a_short_float_has_few_digits(zoo: Schema) -> None:
    message = zoo.message("zoo.All")(a_float=0.1, a_double=0.1)

    assert to_value(zoo, message) == {"aDouble": 0.1, "aFloat": 0.1}


def test_the_largest_float_is_read_back(zoo: Schema) -> None:
    message = zoo.message("zoo.All")(a_float=3.4028234663852886e38)

    text = zoo.to_json(message, indent=None)

    assert text == '{"aFloat": 3.4028235e+38}'
    assert zoo.from_json("zoo.All", text) == message


def test_text_is_readable_and_one_line_when_asked(schema: Schema) -> None:
    message = schema.message(STATE)(id="é", pid=1)

    assert schema.to_json(message, indent=None) == '{"id": "é", "pid": 1}'


# Anys


def test_an_any_shows_its_message_and_takes_it_back(schema: Schema) -> None:
    text = json.dumps({"options": {"@type": OPTIONS, "binaryName": "runc"}})

    message = schema.from_json(CREATE, text)

    assert message.options.type_url == OPTIONS
    assert schema.unpack(message.options).binary_name == "runc"
    assert json.loads(schema.to_json(message)) == json.loads(text)


def test_a_type_url_with_a_slash_stays_as_it_is(schema: Schema) -> None:
    url = f"type.googleapis.com/{OPTIONS}"

    message = schema.from_json(CREATE, json.dumps({"options": {"@type": url, "root": "/run"}}))

    assert message.options.type_url == url
    assert to_value(schema, message)["options"] == {"@type": url, "root": "/run"}


def test_an_oci_type_is_json_within_json(schema: Schema) -> None:
    process = {"args": ["/bin/sh"], "terminal": False, "rlimits": None, "big": 2**60}
    text = json.dumps({"options": {"@type": SPEC, "value": process}})

    message = schema.from_json(CREATE, text)

    assert json.loads(message.options.value) == process
    assert json.loads(schema.to_json(message)) == json.loads(text)


def test_a_companions_type_is_read(schema: Schema) -> None:
    metrics = schema.pack("io.containerd.cgroups.v1.Metrics", {"pids": {"current": 3}})
    stats = schema.message("containerd.task.v3.StatsResponse")(stats=metrics)

    text = schema.to_json(stats, indent=None)

    shown = json.loads(text)["stats"]
    assert shown == {"@type": "io.containerd.cgroups.v1.Metrics", "pids": {"current": "3"}}
    assert schema.from_json("containerd.task.v3.StatsResponse", text) == stats


@pytest.mark.parametrize(
    ("url", "value", "error"),
    [
        ("no.such.Type", b"\x01\xff", "has no message 'no.such.Type'"),
        (OPTIONS, b"\xff", "1 bytes"),
        (SPEC, b"\xff{", "not JSON"),
        (SPEC, b'{"a": NaN}', "not JSON"),
        ("", b"x", "has no message ''"),
    ],
)
def test_an_any_that_cannot_be_read_keeps_its_bytes_and_fails_nothing_else(
    schema: Schema, url: str, value: bytes, error: str
) -> None:
    message = schema.message(CREATE)(id="web")
    message.options.type_url, message.options.value = url, value

    text = schema.to_json(message)

    shown = json.loads(text)
    assert shown["id"] == "web"
    assert list(shown["options"]) == ["@type", "@error", "@value"]
    assert error in shown["options"]["@error"]
    assert schema.from_json(CREATE, text) == message


def test_an_any_may_be_given_by_its_two_fields(schema: Schema) -> None:
    text = '{"options": {"type_url": "no.such.Type", "value": "AAE="}}'

    message = schema.from_json(CREATE, text)

    assert (message.options.type_url, message.options.value) == ("no.such.Type", b"\x00\x01")


def test_anys_within_anys_have_an_end(schema: Schema) -> None:
    packed = schema.pack("google.protobuf.Int64Value", {"value": 1})
    for _ in range(2000):
        packed = schema.pack(packed)

    text = schema.to_json(packed)

    assert "nested too deep" in text
    assert schema.from_json("google.protobuf.Any", text) == packed


def test_half_a_surrogate_pair_in_an_oci_type_can_be_printed(schema: Schema) -> None:
    message = schema.message(CREATE)()
    message.options.type_url, message.options.value = SPEC, b'{"a": "\\ud800"}'

    assert json.loads(schema.to_json(message).encode())["options"]["value"] == {"a": "\ud800"}


# In: what does not fit


@pytest.mark.parametrize(
    ("name", "text", "path", "reason"),
    [
        (CREATE, '{"rootfs": [{}, {"type": 5}]}', "rootfs[1].type", "got 5, wanted string"),
        (CREATE, '{"rootfs": {}}', "rootfs", "wanted an array"),
        (CREATE, '{"rootfs": [null]}', "rootfs[0]", "got null, wanted an object"),
        (CREATE, '{"terminal": "yes"}', "terminal", 'got "yes", wanted bool'),
        (CREATE, '{"options": "x"}', "options", '"@type"'),
        (CREATE, '{"options": {"binaryName": "x"}}', "options.@type", "names its type"),
        (CREATE, f'{{"options": {{"@type": "{OPTIONS}", "root": 1}}}}', "options.root", "string"),
        (CREATE, f'{{"options": {{"@type": "{SPEC}", "a": 1}}}}', "options.a", '"value"'),
        (CREATE, '{"options": {"@type": "a", "@value": "*"}}', "options.@value", "base64"),
        (STATE, '{"pid": -1}', "pid", "got -1, wanted uint32"),
        (STATE, '{"pid": 1.5}', "pid", "got 1.5"),
        (STATE, '{"pid": true}', "pid", "got true"),
        (STATE, '{"pid": "0x10"}', "pid", "wanted uint32"),
        (STATE, '{"exitedAt": "today"}', "exitedAt", "wanted a time"),
        (STATE, '{"exitedAt": 5}', "exitedAt", "wanted a time"),
        (STATE, '{"exited_at": {"seconds": "x"}}', "exited_at.seconds", "int64"),
        (STATE, '{"id": "\\ud800"}', "id", "wanted string"),
        (STATE, '{"exec_id": "a", "execId": "b"}', "execId", "the same field"),
        (UPDATE, '{"annotations": {"a b": 1}}', 'annotations["a b"]', "wanted string"),
        (UPDATE, '{"annotations": []}', "annotations", "wanted an object"),
        (STATE, "[]", "", "wanted an object"),
        (STATE, '{"id": "a", "id": "b"}', "", "twice"),
        (STATE, '{"id": }', "", "line 1 column 8"),
        (STATE, "", "", "not JSON"),
        (STATE, '{"id": "a"} x', "", "not JSON"),
        (STATE, "[" * 100_000, "", "too deep"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(
    schema: Schema, name: str, text: str, path: str, reason: str
) -> None:
    with pytest.raises(MessageError) as caught:
        schema.from_json(name, text)

    assert caught.value.path == path
    assert reason in caught.value.reason
    assert caught.value.message == name
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("name", "text", "path", "nearest"),
    [
        (CREATE, '{"rootfs": [{"typ": "x"}]}', "rootfs[0].typ", "type"),
        (STATE, '{"exitStat": 1}', "exitStat", "exitStatus"),
        (STATE, '{"exit_stat": 1}', "exit_stat", "exit_status"),
        (STATE, '{"status": "RUNING"}', "status", "RUNNING"),
        (CREATE, '{"options": {"@type": "Options"}}', "options.@type", OPTIONS),
    ],
)
def test_a_wrong_name_comes_with_the_nearest(
    schema: Schema, name: str, text: str, path: str, nearest: str
) -> None:
    with pytest.raises(MessageError) as caught:
        schema.from_json(name, text)

    assert caught.value.path == path
    assert nearest in caught.value.nearest


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"anInt32": "7"}', "an_int32", 7),
        ('{"an_int32": 7.0}', "an_int32", 7),
        ('{"anInt64": "-9223372036854775808"}', "an_int64", -(2**63)),
        ('{"aDouble": "-Infinity"}', "a_double", -math.inf),
        ('{"aDouble": "1e3"}', "a_double", 1000.0),
        ('{"aDouble": 5}', "a_double", 5.0),
        ('{"colour": 1}', "colour", 1),
        ('{"someBytes": "-_8"}', "some_bytes", b"\xfb\xff"),
        ('{"someBytes": "+/8="}', "some_bytes", b"\xfb\xff"),
        ('{"aString": null}', "a_string", ""),
        ('{"aString": "x"}', "a_string", "x"),
    ],
)
def test_the_other_spellings_of_a_value_are_read(
    zoo: Schema, text: str, field: str, value: object
) -> None:
    assert getattr(zoo.from_json("zoo.All", text), field) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"aFloat": 1e39}',
        '{"aDouble": 1e999}',
        '{"aDouble": NaN}',
        '{"aDouble": "nan"}',
        '{"aDouble": " 1"}',
        '{"anInt32": "1_0"}',
        '{"anInt32": 1e10}',
        '{"aUint64": "18446744073709551616"}',
        '{"someBytes": "a"}',
        '{"someBytes": "****"}',
        '{"someBytes": "YQ==YQ=="}',
        '{"byBool": {"yes": 1}}',
        '{"byNumber": {"x": 1}}',
        '{"byNumber": {"1": null}}',
        '{"text": "a", "number": 1}',
        '{"[zoo.none]": 1}',
        '{"colour": true}',
    ],
)
def test_values_out_of_range_or_of_another_kind_are_refused(zoo: Schema, text: str) -> None:
    with pytest.raises(MessageError):
        zoo.from_json("zoo.All", text)


def test_null_is_a_value_where_there_is_one(zoo: Schema) -> None:
    message = zoo.from_json("zoo.All", '{"value": null, "nothing": null, "any": null}')

    assert message.HasField("value")
    assert message.WhichOneof("choice") == "nothing"
    assert not message.HasField("any")


def test_extensions_go_by_their_full_name(tmp_path: Path) -> None:
    text = """syntax = "proto2";
package old;
message Open { optional string name = 1; extensions 100 to 200; }
extend Open { optional int32 size = 100; repeated Open more = 101; }
message Other { extensions 100 to 200; }
extend Other { optional int32 other = 100; }
"""
    schema = toolkit.load(write_files(tmp_path, {"old.proto": text}) / "old.proto")
    shown = {"name": "n", "[old.size]": 3, "[old.more]": [{"name": "m"}]}

    message = schema.from_json("old.Open", json.dumps(shown))

    assert to_value(schema, message) == shown
    with pytest.raises(MessageError):
        schema.from_json("old.Open", '{"[old.other]": 3}')


# Unknown fields


def test_unknown_fields_are_found_wherever_they_are(schema: Schema) -> None:
    unknown = b"\xf8\x06\x05"  # field 111, varint 5
    options = schema.message(OPTIONS).FromString(unknown)
    mount = schema.message("containerd.types.Mount").FromString(unknown)
    message = schema.message(CREATE)(rootfs=[{}, mount], options=schema.pack(options))
    message.MergeFromString(b"\x82\x07\x02hi")  # field 112, bytes

    found = schema.unknown_fields(message)

    assert sorted((one.path, one.number, one.wire_type, one.value) for one in found) == [
        ("", 112, 2, b"hi"),
        ("options", 111, 0, 5),
        ("rootfs[1]", 111, 0, 5),
    ]
    assert {one.message for one in found} == {CREATE, OPTIONS, "containerd.types.Mount"}


def test_what_is_known_has_no_unknown_fields(schema: Schema) -> None:
    message = filled(schema, schema.message(CREATE), random.Random(1))

    assert schema.unknown_fields(message) == []
