"""The pool of a schema: what it takes, what it refuses, what it answers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from tests.schema.protos import write_files
from toolkit.errors import MessageError, RawAny, SchemaError, SymbolNotFound
from toolkit.schema.files import split_set
from toolkit.schema.pool import Schema
from toolkit.schema.setfile import read_set

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OPTIONS = "containerd.runc.v1.Options"
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/Process"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return toolkit.load("containerd@2.3")


def file(name: str, *imports: str, message: str = "", **fields: Any) -> FileDescriptorProto:
    made = FileDescriptorProto(name=name, dependency=imports, syntax="proto3", **fields)
    if message:
        made.message_type.add(name=message)
    return made


def link(*files: FileDescriptorProto) -> Schema:
    return Schema("mine", [one.SerializeToString() for one in files])


def loaded(tmp_path: Path, text: str) -> Schema:
    return toolkit.load(write_files(tmp_path, {"a.proto": text}) / "a.proto")


# Linking


def test_files_may_come_in_any_order() -> None:
    files = [file(f"{n}.proto", f"{n + 1}.proto", message=f"M{n}") for n in range(20)]

    schema = link(*files, file("20.proto", message="M20"))

    assert [one.name for one in schema.file_protos()] == [f"{n}.proto" for n in range(20, -1, -1)]


def test_ten_thousand_files_in_a_row_link() -> None:
    files = [file(f"{n}.proto", f"{n + 1}.proto") for n in range(10_000)]

    schema = link(*files, file("10000.proto", message="Last"))

    assert schema.message("Last")


def test_the_same_file_twice_is_one_file_comments_or_not() -> None:
    plain, commented = file("a.proto", message="A"), file("a.proto", message="A")
    commented.source_code_info.location.add(path=[4, 0], span=[1, 0, 2], leading_comments=" A.\n")

    assert link(commented, plain).comments("A") == "A."


def test_a_missing_weak_import_is_dropped() -> None:
    schema = link(file("a.proto", "gone.proto", message="A", weak_dependency=[0]))

    assert schema.message("A")
    assert list(schema.file_protos()[0].dependency) == []


def test_a_missing_well_known_file_comes_from_the_runtime() -> None:
    user = file("a.proto", "google/protobuf/api.proto", message="A")
    kind = FileDescriptorProto().message_type.add().field.add().TYPE_MESSAGE
    user.message_type[0].field.add(
        name="api", number=1, type=kind, type_name=".google.protobuf.Api", label=1
    )

    schema = link(user)

    assert schema.message("A")(api={"name": "x"}).api.name == "x"


REFUSED: dict[str, tuple[Sequence[FileDescriptorProto], Sequence[str]]] = {
    "a missing import": (
        [file("task.proto", "types/mount.proto")],
        ["task.proto imports types/mount.proto"],
    ),
    "imports in a circle": (
        [file("a.proto", "b.proto"), file("b.proto", "c.proto"), file("c.proto", "a.proto")],
        ["each other", "a.proto imports b.proto imports c.proto imports a.proto"],
    ),
    "a file that imports itself": (
        [file("a.proto", "a.proto")],
        ["a.proto imports a.proto"],
    ),
    "a symbol twice": (
        [file("a.proto", message="Thing"), file("b.proto", message="Thing")],
        ["b.proto", "Thing"],
    ),
    "two files of one name": (
        [file("a.proto", message="A"), file("a.proto", message="B")],
        ["two different files are called a.proto"],
    ),
    "a file without a name": ([file("")], ["without a name"]),
    "a name that is none": ([file("a.proto", message="A B")], ["a.proto", "A B"]),
    "a well-known type of another shape": (
        [file("any.proto", message="Any", package="google.protobuf")],
        ["google.protobuf.Any"],
    ),
}


@pytest.mark.parametrize(("files", "parts"), REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_link_is_an_error_that_says_why(
    files: Sequence[FileDescriptorProto], parts: Sequence[str]
) -> None:
    with pytest.raises(SchemaError) as caught:
        link(*files)

    text = str(caught.value)
    assert text.startswith("mine: ")
    assert all(part in text for part in parts), text


def test_a_message_that_nests_too_deep_for_protobuf_is_an_error() -> None:
    inner = b"\x0a\x01M"
    for _ in range(200):
        inner = b"\x0a\x01M\x1a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner

    data = b"\x0a\x01a\x22" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner

    with pytest.raises(SchemaError, match="mine: a"):
        Schema("mine", [data])


@pytest.fixture(scope="module")
def sound() -> bytes:
    schema = toolkit.load("cgroups@3.0")
    parts = (one.SerializeToString() for one in schema.file_protos())
    from toolkit.schema.files import join_set

    return join_set(parts)


@settings(deadline=None)
@given(st.builds(random.Random, st.integers()))
def test_a_garbled_set_links_or_is_an_error(sound: bytes, rng: random.Random) -> None:
    data = bytearray(sound)
    for _ in range(rng.randint(1, 3)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)

    try:
        schema = Schema("garbled", read_set(bytes(data)))
    except SchemaError:
        return

    for name, found in schema.symbols().items():
        schema.options(found)
        if schema.lookup(name) is not None:
            schema.to_json(schema.message(name)(), defaults=True)


def test_random_bytes_are_no_files() -> None:
    rng = random.Random(1)

    for size in range(1, 200):
        with pytest.raises(SchemaError):
            Schema("garbage", [rng.randbytes(size)])


def test_two_schemas_have_different_classes_of_one_name() -> None:
    old, new = toolkit.load("containerd@1.6"), toolkit.load("containerd@2.4")

    assert old.message("containerd.task.v2.StateRequest") is not new.message(
        "containerd.task.v2.StateRequest"
    )
    assert old.message("google.protobuf.Any") is not new.message("google.protobuf.Any")


# Names


@pytest.mark.parametrize(
    "name",
    [
        "containerd.task.v3.Task/State",
        "/containerd.task.v3.Task/State",
        "containerd.task.v3.Task.State",
        ".containerd.task.v3.Task.State",
    ],
)
def test_a_method_is_found_however_it_is_written(schema: Schema, name: str) -> None:
    assert schema.method(name) is schema.service("containerd.task.v3.Task")["State"]
    assert schema.find(name).full_name == "containerd.task.v3.Task.State"


def test_services_come_by_name_and_stay_the_same(schema: Schema) -> None:
    names = [service.name for service in schema.services()]

    assert names == sorted(names)
    assert schema.services()[0] is schema.service(names[0])
    assert schema.service("." + names[0]) is schema.services()[0]


def test_methods_of_one_short_name_are_all_listed(schema: Schema) -> None:
    found = [method.path for method in schema.methods_named("Wait")]

    assert "/containerd.task.v2.Task/Wait" in found
    assert "/containerd.task.v3.Task/Wait" in found
    assert schema.methods_named("NoSuch") == []


EVERYTHING = """syntax = "proto2";
package all.kinds;
message Outer {
  optional int32 number = 1;
  oneof choice { string text = 2; }
  message Inner { enum Colour { RED = 0; } optional Colour colour = 1; }
  extensions 100 to 200;
  extend Outer { optional int32 nested_extension = 101; }
  map<string, int32> counts = 3;
}
enum Size { SMALL = 0; }
extend Outer { optional int32 extension = 100; }
service Service { rpc Call (Outer) returns (Outer); }
"""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Outer", "Descriptor"),
        ("Outer.number", "FieldDescriptor"),
        ("Outer.choice", "OneofDescriptor"),
        ("Outer.Inner", "Descriptor"),
        ("Outer.Inner.Colour", "EnumDescriptor"),
        ("Outer.Inner.RED", "EnumValueDescriptor"),
        ("Outer.Inner.Colour.RED", "EnumValueDescriptor"),
        ("Outer.nested_extension", "FieldDescriptor"),
        ("Outer.CountsEntry", "Descriptor"),
        ("Size", "EnumDescriptor"),
        ("SMALL", "EnumValueDescriptor"),
        ("Size.SMALL", "EnumValueDescriptor"),
        ("extension", "FieldDescriptor"),
        ("Service", "ServiceDescriptor"),
        ("Service.Call", "MethodDescriptor"),
        ("Service/Call", "MethodDescriptor"),
    ],
)
def test_every_kind_of_symbol_is_found(tmp_path: Path, name: str, kind: str) -> None:
    schema = loaded(tmp_path, EVERYTHING)

    for spelling in (f"all.kinds.{name}", f".all.kinds.{name}"):
        found = schema.find(spelling)
        assert type(found).__name__ == kind
        assert found.name == name.replace("/", ".").rpartition(".")[2]


@pytest.mark.parametrize(
    ("kind", "name", "nearest"),
    [
        ("service", "Task", "containerd.task.v3.Task"),
        ("service", "containerd.task.v3.Tsak", "containerd.task.v3.Task"),
        ("service", "containerd.task.v4.Task", "containerd.task.v3.Task"),
        ("message", "containerd.task.v3.StateReq", "containerd.task.v3.StateRequest"),
        ("message", "staterequest", "containerd.task.v3.StateRequest"),
        ("message", "Mount", "containerd.types.Mount"),
        ("method", "State", "containerd.task.v3.Task/State"),
        ("method", "containerd.task.v3.Task/Statte", "containerd.task.v3.Task/State"),
        ("symbol", "containerd.types.Mount.typ", "containerd.types.Mount.type"),
    ],
)
def test_a_miss_names_the_nearest(schema: Schema, kind: str, name: str, nearest: str) -> None:
    ask = {
        "service": schema.service,
        "message": schema.message,
        "method": schema.method,
        "symbol": schema.find,
    }[kind]

    with pytest.raises(SymbolNotFound) as caught:
        ask(name)

    assert caught.value.kind == kind
    assert nearest in caught.value.nearest
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["", ".", "/", "a..b", "\x00", "\ud800", "é", "a" * 10_000])
def test_what_can_be_no_name_is_not_found(schema: Schema, name: str) -> None:
    for ask in (schema.service, schema.message, schema.method, schema.find, schema.resolve):
        with pytest.raises(SymbolNotFound):
            ask(name)


# Options and comments


OPTION = """syntax = "proto3";
package opt;
import "google/protobuf/descriptor.proto";
message Rule { string text = 1; }
extend google.protobuf.FieldOptions { Rule rule = 50000; bool hidden = 50001; }
extend google.protobuf.MethodOptions { int32 cost = 50000; }
message A { string name = 1 [(rule).text = "short", (hidden) = true, deprecated = true]; }
service S { rpc Call (A) returns (A) { option (cost) = 7; } }
"""


def test_custom_options_are_read(tmp_path: Path) -> None:
    schema = loaded(tmp_path, OPTION)
    extensions = schema.pool

    options = schema.options(schema.find("opt.A.name"))

    assert options.deprecated
    assert options.Extensions[extensions.FindExtensionByName("opt.rule")].text == "short"
    assert options.Extensions[extensions.FindExtensionByName("opt.hidden")]
    method = schema.options(schema.method("opt.S/Call").descriptor)
    assert method.Extensions[extensions.FindExtensionByName("opt.cost")] == 7


def test_gogoproto_options_of_an_old_release_are_read() -> None:
    schema = toolkit.load("containerd@1.6")

    options = schema.options(schema.find("containerd.task.v2.StateResponse.exited_at"))

    assert options.Extensions[schema.pool.FindExtensionByName("gogoproto.stdtime")]


def test_options_are_read_without_descriptor_proto_in_the_pool() -> None:
    schema = link(file("a.proto", message="A"))

    assert not schema.options(schema.find("A")).deprecated


COMMENTED = """syntax = "proto3";
package c;

// Not of the message.

// Before the message,
//   in two lines.
message A { // behind
  /* Of the field. */ string name = 1;
  oneof pick { // the choice
    int32 one = 2; // The one.
  }
  enum E {
    ZERO = 0; /* none */
  }
}
// Of the service.
service S {
  // Of the method.
  rpc Call (A) returns (A);
}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.A", "Before the message,\n  in two lines.\n\nbehind"),
        ("c.A.name", "Of the field."),
        ("c.A.pick", "the choice"),
        ("c.A.one", "The one."),
        ("c.A.ZERO", "none"),
        ("c.A.E.ZERO", "none"),
        ("c.S", "Of the service."),
        ("c.S.Call", "Of the method."),
        (".c.S/Call", "Of the method."),
        ("c.A.E", ""),
        ("c.Nothing", ""),
    ],
)
def test_comments_are_those_before_and_behind(tmp_path: Path, name: str, text: str) -> None:
    assert loaded(tmp_path, COMMENTED).comments(name) == text


def test_the_files_come_imports_first_with_their_source_info(schema: Schema) -> None:
    files = schema.file_protos()

    seen: set[str] = set()
    for one in files:
        assert set(one.dependency) <= seen
        seen.add(one.name)
    assert all(one.source_code_info.location for one in files)
    assert Schema("again", [one.SerializeToString() for one in files]).services()


# Anys


def test_pack_types_an_any_by_the_bare_name(schema: Schema) -> None:
    packed = schema.pack(OPTIONS, {"binary_name": "runc"})

    assert packed.type_url == OPTIONS
    assert type(packed) is schema.message("google.protobuf.Any")
    assert schema.unpack(packed).binary_name == "runc"


def test_pack_takes_a_message_of_any_pool(schema: Schema) -> None:
    other = toolkit.load("containerd@1.7").message(OPTIONS)(root="/run")

    packed = schema.pack(other)

    assert schema.unpack(packed) == schema.message(OPTIONS)(root="/run")


def test_pack_of_an_oci_type_is_json(schema: Schema) -> None:
    packed = schema.pack(SPEC, {"args": ["sh"]})

    assert (packed.type_url, packed.value) == (SPEC, b'{"args":["sh"]}')
    assert schema.unpack(packed) == {"args": ["sh"]}


@pytest.mark.parametrize(
    "url", [OPTIONS, f"/{OPTIONS}", f"type.googleapis.com/{OPTIONS}", f"a.b/c/{OPTIONS}"]
)
def test_unpack_reads_a_type_url_with_and_without_a_slash(schema: Schema, url: str) -> None:
    assert schema.unpack(RawAny(url, b"\x32\x04runc")).binary_name == "runc"


def test_a_schema_without_any_packs_all_the_same() -> None:
    schema = link(file("a.proto", message="A"))

    packed = schema.pack("A")

    assert schema.unpack(packed) == schema.message("A")()
    assert schema.unpack(schema.pack("google.protobuf.Duration", {"seconds": 3})).seconds == 3


def test_an_unknown_type_in_an_any_is_not_found(schema: Schema) -> None:
    with pytest.raises(SymbolNotFound) as caught:
        schema.unpack(RawAny("containerd.runc.v1.Optoins", b""))

    assert OPTIONS in caught.value.nearest


@pytest.mark.parametrize("packed", [RawAny(OPTIONS, b"\xff"), RawAny(SPEC, b"not json")])
def test_bytes_that_are_not_of_the_type_are_an_error(schema: Schema, packed: RawAny) -> None:
    with pytest.raises(MessageError):
        schema.unpack(packed)


def test_a_value_that_json_lacks_does_not_pack_as_an_oci_type(schema: Schema) -> None:
    with pytest.raises(MessageError, match="not JSON"):
        schema.pack(SPEC, {"args": {1, 2}})


def test_the_sets_that_releases_are_made_from_link_as_they_are() -> None:
    from pathlib import Path

    folder = Path(__file__).parents[3] / "shared" / "schemas"
    if not folder.is_dir():
        pytest.skip("the published descriptor sets are not beside the checkout")

    for path in sorted(folder.glob("*/*.binpb")):
        schema = Schema(path.stem, split_set(path.read_bytes()))
        for name, found in schema.symbols().items():
            if hasattr(found, "nested_types"):
                assert schema.message(name)
