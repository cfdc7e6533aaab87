"""Printed source compiles to the descriptors that it was printed from, and reads well."""

from __future__ import annotations

import functools
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.schema.protos import ZOO, Compiled, compile_folder, normal, write_files
from toolkit.resources import data_dir
from toolkit.schema.history import history
from toolkit.schema.load import load, schema_from
from toolkit.schema.printing import Printer, print_file, print_symbol
from toolkit.schema.releases import releases
from toolkit.schema.sources import DescriptorSetSource
from toolkit.schema.vendoring.text import described, texts
from toolkit.schema.vendoring.words import read_words

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema

ZOO_FILES = sorted(path.name for path in ZOO.glob("*.proto"))


@functools.cache
def zoo() -> Compiled:
    return compile_folder(ZOO)


@functools.cache
def zoo_reprinted(*, with_source: bool) -> tuple[dict[str, str], Compiled]:
    import tempfile

    compiled = zoo()
    printer = Printer(compiled.file_protos(), compiled.pool)
    texts = {name: printer.file(_file(name, with_source=with_source)) for name in ZOO_FILES}
    with tempfile.TemporaryDirectory() as folder:
        return texts, compile_folder(write_files(Path(folder), texts), ZOO_FILES)


def _file(name: str, *, with_source: bool) -> FileDescriptorProto:
    file = FileDescriptorProto()
    file.CopyFrom(zoo().files[name])
    if not with_source:
        file.ClearField("source_code_info")
    return file


def zoo_schema() -> Schema:
    return schema_from(
        DescriptorSetSource([file.SerializeToString() for file in zoo().file_protos()])
    )


def printed(source: str, folder: Path) -> str:
    """A file printed without its source info."""
    compiled = compile_folder(write_files(folder, {"x.proto": source}), ["x.proto"])
    compiled.files["x.proto"].ClearField("source_code_info")
    return print_file(compiled.files["x.proto"], compiled)


@pytest.mark.parametrize("with_source", [True, False], ids=["source info", "bare"])
@pytest.mark.parametrize("name", ZOO_FILES)
def test_a_printed_file_compiles_to_the_same_descriptor(name: str, *, with_source: bool) -> None:
    _, again = zoo_reprinted(with_source=with_source)

    assert normal(again.files[name]) == normal(zoo().files[name])


@pytest.mark.parametrize("name", ZOO_FILES)
def test_printing_what_was_printed_changes_nothing(name: str) -> None:
    texts, again = zoo_reprinted(with_source=True)

    assert print_file(again.files[name], again) == texts[name]


def test_comments_stay_with_their_declarations() -> None:
    _, again = zoo_reprinted(with_source=True)

    found = _comments(again.files["comments.proto"])

    assert found == _comments(zoo().files["comments.proto"])
    assert len(found) == 18


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], Any]:
    # A comment on an option is the one kind that has no place in the printed file.
    return {
        tuple(location.path): (
            [_words(text) for text in location.leading_detached_comments],
            _words(location.leading_comments),
            _words(location.trailing_comments),
        )
        for location in file.source_code_info.location
        if (location.leading_comments or location.trailing_comments)
        and tuple(location.path) != (6, 0, 2, 1, 4, 33)
    }


def _words(text: str) -> list[str]:
    return text.split()


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_vendored_files_are_what_the_printer_writes(release: Any) -> None:
    """Words in ``vendor/docs`` that are not in the files yet: `make words` prints them."""
    schema = load(release.name)
    words = read_words(data_dir("vendor"))
    assert words is not None

    printed = texts(schema, release, words=described(schema, words, history(release.project)))

    assert printed == {name: (release.root / name).read_text(encoding="utf-8") for name in printed}


def test_declarations_are_set_apart_and_lines_are_not_too_long(tmp_path: Path) -> None:
    source = """\
        syntax = "proto3";
        package a.b;
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/any.proto";
        option go_package = "example.com/a/b";
        message Task { reserved 3; reserved "old"; message Inner {} string id = 1; Inner inner = 2;
          map<string, google.protobuf.Any> values = 4 [
            deprecated = true, json_name = "theValuesThatAreInHere", retention = RETENTION_SOURCE];
          oneof choice { string left = 5; a.b.Task right = 6; } repeated Task tasks = 7; }
        message None {}
        service Tasks { rpc Do(Task) returns (stream None); rpc Undo(None) returns (None) {
          option deprecated = true; } }
        """

    text = printed(dedent(source), tmp_path)

    assert text == dedent("""\
        syntax = "proto3";

        package a.b;

        import "google/protobuf/timestamp.proto";
        import "google/protobuf/any.proto";

        option go_package = "example.com/a/b";

        service Tasks {
          rpc Do(Task) returns (stream None);

          rpc Undo(None) returns (None) {
            option deprecated = true;
          }
        }

        message Task {
          reserved 3;
          reserved "old";

          message Inner {}

          string id = 1;
          Inner inner = 2;

          map<string, google.protobuf.Any> values = 4 [
            json_name = "theValuesThatAreInHere",
            deprecated = true,
            retention = RETENTION_SOURCE
          ];

          oneof choice {
            string left = 5;
            Task right = 6;
          }

          repeated Task tasks = 7;
        }

        message None {}
        """)


def test_well_formatted_source_is_printed_as_it_was_written() -> None:
    texts, _ = zoo_reprinted(with_source=True)

    assert texts["streaming.proto"] == (ZOO / "streaming.proto").read_text()


def test_weak_and_public_imports_and_custom_options_are_kept() -> None:
    schema = load("containerd@1.6")
    file = next(f for f in schema.file_protos() if f.name.endswith("api/types/task/task.proto"))

    text = print_file(file, schema)

    assert 'import weak "gogoproto/gogo.proto";' in text
    assert "option (gogoproto.goproto_enum_prefix) = false;" in text
    assert 'UNKNOWN = 0 [(gogoproto.enumvalue_customname) = "StatusUnknown"];' in text


def test_given_words_stand_in_for_a_symbols_own_comment() -> None:
    compiled = zoo()
    docs = {"zoo.comments.First.name": "Who it is.\n\nNever empty.", "zoo.comments.First.bare": "x"}

    text = Printer(compiled.file_protos(), compiled.pool).file(
        compiled.files["comments.proto"], docs=docs
    )

    assert "  // Who it is.\n  //\n  // Never empty.\n  string name = 1;" in text
    assert "  // x\n  string bare = 2;" in text
    assert "A field." not in text


def test_a_header_stands_at_the_top() -> None:
    file = _file("streaming.proto", with_source=False)

    text = print_file(file, zoo(), header=["One.", "", "Two."])

    assert text.startswith('// One.\n//\n// Two.\n\nsyntax = "proto3";\n')


def test_a_hostile_comment_cannot_become_source() -> None:
    file = _file("streaming.proto", with_source=False)
    comment = "one\x00 two\nmessage Evil {}\rmessage Evil {}\u2028message Evil {}"
    file.source_code_info.location.add(path=[4, 0], span=[0, 0, 1], leading_comments=comment)

    text = print_file(file, zoo())

    assert all("Evil" not in line or line.startswith("//") for line in text.split("\n"))
    assert "\x00" not in text
    assert "\r" not in text


# Laws


@given(text=st.text(), data=st.binary())
@settings(deadline=None)
def test_any_text_survives_as_a_default_and_an_option(
    text: str, data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = FileDescriptorProto(name="x.proto", package="x")
    file.dependency.append("options.proto")
    field = file.message_type.add(name="M").field.add(name="f", number=1, label=1, type=9)
    field.default_value = text
    field.json_name = "f"
    whole = zoo().pool.FindExtensionByName("zoo.options.whole")
    options = _message(zoo().pool, "google.protobuf.MessageOptions")
    options.Extensions[whole].name = text
    options.Extensions[whole].raw = data
    file.message_type[0].options.MergeFromString(options.SerializeToString())
    root = tmp_path_factory.mktemp("law")

    source = Printer([*zoo().file_protos(), file], zoo().pool).file(file)
    write_files(root, {"x.proto": source, "options.proto": (ZOO / "options.proto").read_text()})

    assert normal(compile_folder(root, ["x.proto"]).files["x.proto"]) == normal(file)


def _message(pool: Any, name: str) -> Any:
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(pool.FindMessageTypeByName(name))()


NAMES = ("a", "b", "message", "int32")


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> dict[str, Any]:
    """Message names within message names, few enough to hide one another."""
    if depth == 3:
        return {}
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    return {name: draw(trees(depth + 1)) for name in names}


@given(
    package=st.sampled_from(["", "a", "b.a", "message"]),
    tree=trees(),
    seed=st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_any_type_is_named_so_that_the_compiler_finds_it(
    package: str, tree: dict[str, Any], seed: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = FileDescriptorProto(name="x.proto", package=package or None, syntax="proto3")
    types = list(_full_names(tree, package))
    for name, inner in tree.items():
        _fill(file.message_type.add(name=name), inner, types, seed)
    root = tmp_path_factory.mktemp("law")

    source = print_file(file, Compiled(zoo().pool, {"x.proto": file}))

    again = compile_folder(write_files(root, {"x.proto": source}), ["x.proto"]).files["x.proto"]
    assert normal(again, without=("source_code_info", "json_name")) == normal(file)


def _full_names(tree: dict[str, Any], scope: str) -> Any:
    for name, inner in tree.items():
        full_name = f"{scope}.{name}" if scope else name
        yield full_name
        yield from _full_names(inner, full_name)


def _fill(message: Any, tree: dict[str, Any], types: list[str], seed: Any) -> None:
    for number, name in enumerate(types, start=1):
        field = message.field.add(number=number, label=1, type=11, type_name=f".{name}")
        field.name = f"f{number}"
    free = [name for name in NAMES if name not in tree]
    if message.field and free:
        message.field[0].name = seed.choice(free)
    for name, inner in tree.items():
        _fill(message.nested_type.add(name=name), inner, types, seed)


# Single symbols


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("zoo.streaming.Streams.Bidi", "rpc Bidi ( stream .S.Step ) returns ( stream .S.Step );"),
        ("zoo.streaming.Step.number", "uint32 number = 1;"),
        ("zoo.three.MANY", "MANY = 2 [deprecated = true];"),
        ("zoo.three.Animal.kinds", "map<string, .zoo.three.Kind> kinds = 3;"),
        ("zoo.three.Animal.kind", "optional .zoo.three.Kind kind = 2;"),
        ("zoo.three.Animal.Part.Side", "enum Side {\n  LEFT = 0;\n  RIGHT = 1;\n}"),
        ("zoo.three.Animal.another", "oneof another {\n  .google.protobuf.Value value = 10;\n}"),
        ("zoo.two.size", "extend .zoo.two.Cage {\n  optional int32 size = 150;\n}"),
        ("zoo.two.Cage.inner", "extend .zoo.two.Cage {\n  optional .zoo.two.Cage inner = 101;\n}"),
        ("zoo.two.Cage.padlock", "group Padlock = 6 {\n  optional bool open = 1;\n}"),
        ("zoo.streaming.Nothing", "service Nothing {}"),
        ("zoo.comments.First.bare", "string bare = 2;"),
        ("zoo.comments.First.name", "// A field.\nstring name = 1;  // Behind the field."),
        ("zoo.comments.ONE", "ONE = 1;  // Something."),
        ("top", "extend .google.protobuf.FileOptions {\n  bool top = 50100;\n}"),
    ],
)
def test_a_symbol_is_printed_compact_with_full_names(symbol: str, text: str) -> None:
    schema = zoo_schema()

    found = print_symbol(schema, schema.find(symbol))

    assert found == text.replace(".S.", ".zoo.streaming.") + "\n"


def test_a_service_is_printed_as_grpcurl_prints_it() -> None:
    schema = load("nri@0.3")
    printer = Printer(bare := [_bare(file) for file in schema.file_protos()], schema.pool)

    text = printer.symbol(bare[-1], schema.find("nri.pkg.api.v1alpha1.Runtime"))

    package = ".nri.pkg.api.v1alpha1"
    update = f"{package}.UpdateContainers"
    assert text == dedent(f"""\
        service Runtime {{
          rpc RegisterPlugin ( {package}.RegisterPluginRequest ) returns ( {package}.Empty );
          rpc UpdateContainers ( {update}Request ) returns ( {update}Response );
        }}
        """)


def _bare(file: FileDescriptorProto) -> FileDescriptorProto:
    file.ClearField("source_code_info")
    return file


def test_every_symbol_can_be_printed() -> None:
    schema = zoo_schema()

    mine = (item for item in schema.symbols().items() if item[0].startswith("zoo."))
    for name, descriptor in mine:
        assert name.rpartition(".")[2].lower() in print_symbol(schema, descriptor).lower()
