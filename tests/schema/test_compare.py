"""The canonical form says what counts on the wire and in JSON, and nothing else."""

from __future__ import annotations

import hashlib
import itertools
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from tests.schema.protos import ZOO, compile_folder, write_files
from toolkit.schema.compare import differences, digest, digests, structure, structure_of
from toolkit.schema.load import load

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.compare import Structure

BASE = """\
syntax = "proto3";
package p;
message M {
  string id = 1;
  repeated int32 numbers = 2;
  map<string, M> others = 3;
  optional string maybe = 4;
  oneof choice { bytes raw = 5; M inner = 6; }
  E kind = 7;
}
enum E { NONE = 0; SOME = 1; }
service S { rpc Do(M) returns (stream M); rpc Ask(M) returns (M); }
"""


def compared(source: str, folder: Path) -> Structure:
    pool, _ = compile_folder(write_files(folder, {"x.proto": source}), ["x.proto"])
    return structure([pool.FindFileByName("x.proto")])


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Structure:
    return compared(BASE, tmp_path_factory.mktemp("base"))


def test_the_canonical_form_is_as_documented(base: Structure) -> None:
    """Recorded digests depend on every character of it."""
    assert [symbol.text for symbol in base.values()] == [
        "enum p.E\n0 NONE\n1 SOME",
        dedent("""\
            message p.M
            1 id string
            2 numbers repeated int32
            3 others map<string, p.M>
            4 maybe optional string
            5 raw bytes oneof(choice)
            6 inner p.M oneof(choice)
            7 kind p.E"""),
        "service p.S\nAsk p.M -> p.M\nDo p.M -> stream p.M",
    ]


def test_the_digest_is_as_documented(base: Structure) -> None:
    def sha256(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert digests(base) == {name: sha256(symbol.text) for name, symbol in base.items()}
    assert digest(base) == sha256(
        "".join(f"{name} {sha256(symbol.text)}\n" for name, symbol in base.items())
    )


def test_the_canonical_form_of_proto2_and_extensions() -> None:
    pool, _ = compile_folder(ZOO, ["proto2.proto"])

    found = structure([pool.FindFileByName("proto2.proto")])

    cage = found["zoo.two.Cage"].text.split("\n")
    assert "1 name required string" in cage
    assert "3 keeper group zoo.two.Cage.Keeper" in cage
    assert "4 feeding repeated group zoo.two.Cage.Feeding" in cage
    assert "8 mood optional zoo.two.Cage.Mood" in cage
    assert found["zoo.two.size"].text == "extension zoo.two.size\n150 zoo.two.Cage optional int32"


@pytest.mark.parametrize(
    "source",
    [
        BASE.replace("package p;", 'package p;\noption go_package = "x";\n// A comment.'),
        BASE.replace("string id = 1;", 'string id = 1 [deprecated = true, json_name = "x"];'),
        BASE.replace("string id = 1;\n", "").replace("  E kind", "  string id = 1;\n  E kind"),
        BASE.replace("enum E", "enum E2 {Z = 0;}\nenum E").replace("enum E2 {Z = 0;}\n", ""),
        BASE.replace("p;", 'p; import "google/protobuf/descriptor.proto"; '
                     "extend google.protobuf.FieldOptions { bool mark = 50000; }"),
    ],
    ids=["options and comments", "json name", "order", "nothing", "custom option"],
)  # fmt: skip
def test_what_is_not_on_the_wire_does_not_count(
    source: str, base: Structure, tmp_path: Path
) -> None:
    other = compared(source, tmp_path)

    assert differences(base, other) == []
    assert digest(other) == digest(base)


def test_a_file_name_does_not_count(base: Structure, tmp_path: Path) -> None:
    pool, _ = compile_folder(write_files(tmp_path, {"other/name.proto": BASE}))

    found = structure([pool.FindFileByName("other/name.proto")])

    assert digest(found) == digest(base)


@pytest.mark.parametrize(
    ("old", "new", "kind", "text"),
    [
        ("  E kind = 7;", "  E kind = 7; string x = 8;", "added", "p.M: field 8 x (string) added"),
        ("  E kind = 7;", "", "removed", "p.M: field 7 kind (p.E) removed"),
        ("string id", "string name", "changed", "p.M: field 1 id is now called name"),
        ("string id", "bytes id", "changed", "p.M: field 1 was id (string), is id (bytes)"),
        ("string id", "int32 x", "changed", "p.M: field 1 was id (string), is x (int32)"),
        (
            "repeated int32 numbers",
            "int32 numbers",
            "changed",
            "p.M: field 2 was numbers (repeated int32), is numbers (int32)",
        ),
        (
            "optional string maybe",
            "string maybe",
            "changed",
            "p.M: field 4 was maybe (optional string), is maybe (string)",
        ),
        ("SOME = 1;", "SOME = 1; MORE = 2;", "added", "p.E: value 2 MORE added"),
        ("SOME = 1;", "", "removed", "p.E: value 1 SOME removed"),
        ("SOME = 1;", "OTHER = 1;", "changed", "p.E: value 1 was SOME, is OTHER"),
        (
            "SOME = 1;",
            "option allow_alias = true; SOME = 1; X = 1;",
            "changed",
            "p.E: value 1 was SOME, is SOME or X",
        ),
        ("rpc Ask(M) returns (M);", "", "removed", "p.S: method Ask removed"),
        (
            "rpc Ask(M) returns (M);",
            "rpc Ask(M) returns (M); rpc Tell(stream M) returns (M);",
            "added",
            "p.S: method Tell (stream p.M -> p.M) added",
        ),
        (
            "rpc Ask(M) returns (M)",
            "rpc Ask(M) returns (stream M)",
            "changed",
            "p.S: method Ask was (p.M -> p.M), is (p.M -> stream p.M)",
        ),
        ("message M", "message New {}\nmessage M", "added", "message p.New added"),
        ("enum E", "enum New { Z = 0; }\nenum E", "added", "enum p.New added"),
        ("service S", "service New {}\nservice S", "added", "service p.New added"),
    ],
)
def test_a_difference_is_a_clear_sentence(
    old: str, new: str, kind: str, text: str, base: Structure, tmp_path: Path
) -> None:
    other = compared(BASE.replace(old, new), tmp_path)

    [found] = differences(base, other)

    assert (found.kind, found.text) == (kind, text)
    assert found.symbol in text
    assert digest(other) != digest(base)


def test_removing_is_the_opposite_of_adding(base: Structure, tmp_path: Path) -> None:
    other = compared(BASE + "message New {}", tmp_path)

    [found] = differences(other, base)

    assert found == ("removed", "p.New", "message p.New removed")


def test_another_kind_of_symbol_is_removed_and_added(base: Structure, tmp_path: Path) -> None:
    other = compared(BASE.replace("service S", "service T") + "message S {}", tmp_path)

    texts = [one.text for one in differences(base, other)]

    assert texts == ["service p.S removed", "message p.S added", "service p.T added"]


def test_only_the_digest_of_the_changed_symbol_changes(base: Structure, tmp_path: Path) -> None:
    other = digests(compared(BASE.replace("string id", "bytes id"), tmp_path))

    assert [name for name, one in digests(base).items() if other[name] != one] == ["p.M"]


def test_a_schema_is_compared_without_the_engines_own_files() -> None:
    schema = load("containerd@1.6")

    found = structure_of(schema)

    assert "containerd.task.v2.Task" in found
    assert "google.rpc.Status" in found
    assert not [name for name in found if name.startswith("google.protobuf.")]
    assert schema.release is not None
    assert digest(schema) == schema.release.digest


def test_releases_differ_as_their_history_says() -> None:
    texts = [one.text for one in differences(load("containerd@1.2"), load("containerd@1.3"))]

    assert "containerd.task.v2.StateResponse: field 11 exec_id (string) added" in texts
    assert "service containerd.services.events.ttrpc.v1.Events added" in texts


def test_task_v2_never_lost_anything() -> None:
    task = "containerd.task.v2."
    lines = ["1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.0", "2.1", "2.2", "2.3", "2.4"]
    found = [load(f"containerd@{line}") for line in lines]

    kinds = [
        one.kind
        for old, new in itertools.pairwise(found)
        for one in differences(old, new)
        if one.symbol.startswith(task)
    ]

    assert set(kinds) == {"added"}
