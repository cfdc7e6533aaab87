"""Sources: releases, ``.proto`` paths with and without roots, descriptor sets in every form."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.schema.protos import write_files
from toolkit.errors import SchemaError, SourceNotFound
from toolkit.schema.compile import compile_protos
from toolkit.schema.files import read_file
from toolkit.schema.load import schema_from
from toolkit.schema.releases import find_release
from toolkit.schema.sources import DescriptorSetSource, ProtoSource, VendoredSource

MOUNT = 'syntax = "proto3";\npackage types;\nmessage Mount { string type = 1; }\n'
TASK = """syntax = "proto3";
package task;
import "api/types/mount.proto";
message Task { types.Mount root = 1; }
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    texts = {"api/types/mount.proto": MOUNT, "api/runtime/task/v2/task.proto": TASK}
    return write_files(tmp_path / "tree", texts)


def names(source: ProtoSource | DescriptorSetSource | VendoredSource) -> list[str]:
    return [read_file(data).name for data in source.files()]


def test_a_release_is_all_its_files() -> None:
    release = find_release("containerd@2.3")

    found = names(VendoredSource(release))

    assert "runtime/task/v3/shim.proto" in found
    assert "google/protobuf/any.proto" in found


def test_with_a_root_a_file_is_named_below_it(tree: Path) -> None:
    source = ProtoSource([tree / "api/runtime/task/v2/task.proto"], [tree])

    assert names(source) == ["api/types/mount.proto", "api/runtime/task/v2/task.proto"]


def test_without_a_root_it_is_the_nearest_folder_where_all_imports_are_found(tree: Path) -> None:
    assert names(ProtoSource([tree / "api/types/mount.proto"])) == ["mount.proto"]
    assert names(ProtoSource([tree / "api/runtime/task/v2/task.proto"])) == [
        "api/types/mount.proto",
        "api/runtime/task/v2/task.proto",
    ]


def test_a_root_is_found_from_a_relative_path_too(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "api/runtime")

    assert names(ProtoSource([Path("task/v2/task.proto")]))[0] == "api/types/mount.proto"


def test_a_directory_is_all_proto_files_below_it(tree: Path) -> None:
    write_files(tree, {"api/README.md": "no schema", "api/.hidden/x.proto": MOUNT})

    found = names(ProtoSource([tree / "api/types"]))

    assert found == ["mount.proto"]


def test_a_directory_takes_its_root_from_its_imports(tree: Path) -> None:
    assert names(ProtoSource([tree / "api/runtime"])) == [
        "api/types/mount.proto",
        "api/runtime/task/v2/task.proto",
    ]


def test_a_file_outside_the_given_roots_brings_its_own(tree: Path, tmp_path: Path) -> None:
    text = 'syntax = "proto3";\nimport "api/types/mount.proto";\n'
    write_files(tmp_path, {"mine/own.proto": text})

    source = ProtoSource([tmp_path / "mine/own.proto"], [tree])

    assert names(source) == ["api/types/mount.proto", "own.proto"]


def test_a_file_that_an_earlier_root_hides_is_refused(tree: Path, tmp_path: Path) -> None:
    other = write_files(tmp_path / "other", {"api/types/mount.proto": MOUNT})

    source = ProtoSource([tree / "api/types/mount.proto"], [other, tree])

    with pytest.raises(SchemaError) as caught:
        source.files()
    assert str(tree / "api/types/mount.proto") in str(caught.value)
    assert str(other / "api/types/mount.proto") in str(caught.value)


@pytest.mark.parametrize("missing", ["api/types/moun.proto", "api/type"])
def test_a_path_that_is_not_there_names_the_nearest(tree: Path, missing: str) -> None:
    with pytest.raises(SourceNotFound) as caught:
        ProtoSource([tree / missing]).files()

    near = {"api/types/moun.proto": "api/types/mount.proto", "api/type": "api/types"}[missing]
    assert caught.value.nearest == (str(tree / near),)


def test_a_root_that_is_not_there_is_not_found(tree: Path) -> None:
    with pytest.raises(SourceNotFound, match="nowhere"):
        ProtoSource([tree / "api/types/mount.proto"], [tree / "nowhere"]).files()


def test_a_directory_without_proto_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"no \.proto file"):
        ProtoSource([tmp_path]).files()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error(tree: Path) -> None:
    (tree / "api/types/mount.proto").chmod(0)

    with pytest.raises(SchemaError, match="cannot read"):
        ProtoSource([tree / "api/types"]).files()


@pytest.fixture
def descriptors(tree: Path) -> FileDescriptorSet:
    data = compile_protos(["api/runtime/task/v2/task.proto"], [tree])
    return FileDescriptorSet.FromString(data)


@pytest.mark.parametrize("suffix", [".binpb", ".pb", ".unheard-of", ""])
def test_a_binary_set_loads_whatever_it_is_called(
    descriptors: FileDescriptorSet, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"set{suffix}"
    path.write_bytes(descriptors.SerializeToString())

    assert names(DescriptorSetSource(path)) == [file.name for file in descriptors.file]


@pytest.mark.parametrize("suffix", [".txtpb", ".textproto", ".pbtxt"])
def test_a_set_in_text_loads(descriptors: FileDescriptorSet, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"set{suffix}"
    path.write_text(text_format.MessageToString(descriptors))

    assert names(DescriptorSetSource(path)) == [file.name for file in descriptors.file]


@pytest.mark.parametrize("suffix", [".json", ""])
def test_a_set_in_json_loads(descriptors: FileDescriptorSet, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"set{suffix}"
    path.write_text(json_format.MessageToJson(descriptors))

    assert names(DescriptorSetSource(path)) == [file.name for file in descriptors.file]


def test_the_options_of_a_text_set_may_be_of_files_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "next.txtpb"
    path.write_text('file { name: "a.proto" options { [no.such.option]: true 63300: 1 } }\n')

    assert names(DescriptorSetSource(path)) == ["a.proto"]


def test_the_bytes_of_files_are_a_source_too(descriptors: FileDescriptorSet) -> None:
    source = DescriptorSetSource([file.SerializeToString() for file in descriptors.file], "mine")

    schema = schema_from(source)

    assert schema.name == "mine"
    assert schema.message("task.Task")


def test_whatever_gives_files_is_a_source(descriptors: FileDescriptorSet) -> None:
    class Reversed:
        name = "reversed"

        def files(self) -> list[bytes]:
            return [file.SerializeToString() for file in reversed(descriptors.file)]

    assert schema_from(Reversed()).message("task.Task")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("set.binpb", b""),
        ("set.binpb", b"\xff\xff\xff"),
        ("set.binpb", b"\x7fELF\x02\x01\x01"),
        ("set.binpb", b"\x0a\x03\xff\xff\xff"),
        ("set.txtpb", b"file { nam"),
        ("set.txtpb", b"\xff\xfe"),
        ("set.txtpb", b""),
        ("set.json", b"{"),
        ("set.json", b'{"file": 5}'),
        ("set.json", b"{}"),
    ],
)
def test_what_is_no_descriptor_set_is_an_error_with_its_path(
    tmp_path: Path, name: str, data: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(SchemaError) as caught:
        DescriptorSetSource(path).files()

    assert str(path) in str(caught.value)


def test_a_set_that_is_not_there_names_the_nearest(
    descriptors: FileDescriptorSet, tmp_path: Path
) -> None:
    (tmp_path / "task.binpb").write_bytes(descriptors.SerializeToString())

    with pytest.raises(SourceNotFound) as caught:
        DescriptorSetSource(tmp_path / "tusk.binpb").files()

    assert caught.value.nearest == (str(tmp_path / "task.binpb"),)
