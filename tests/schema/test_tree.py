"""Trees of files are written inside their folder, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from tests.schema.protos import compile_folder, normal
from toolkit.errors import SchemaError
from toolkit.schema import tree
from toolkit.schema.load import load, schema_from
from toolkit.schema.printing import export
from toolkit.schema.sources import DescriptorSetSource
from toolkit.schema.tree import replace_file, replace_folder, staged, write_tree

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

HOSTILE = [
    "../x.proto",
    "../../etc/x",
    "a/../../x.proto",
    "/etc/x.proto",
    "a//b.proto",
    "./x.proto",
    "a/./b.proto",
    "a/",
    ".",
    "..",
    "a\\..\\x.proto",
    "a\nb.proto",
    "a\x1b[2J.proto",
]


def schema_with_file(name: str) -> Schema:
    file = FileDescriptorProto(name=name, package="evil", syntax="proto3")
    file.message_type.add(name="M")
    return schema_from(DescriptorSetSource([file.SerializeToString()], "a hostile set"))


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_of_a_schemas_file_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    schema = schema_with_file(name)

    with pytest.raises(SchemaError, match="wanted a plain relative path"):
        export(schema, tmp_path / "out")

    assert everything(tmp_path) == []


@pytest.mark.parametrize("name", ["", "a\0b.proto"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="wanted a plain relative path"):
        write_tree(tmp_path / "out", {"a.proto": "", name: ""})

    assert everything(tmp_path) == []


def test_a_symbolic_link_does_not_lead_out_either(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "link").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SchemaError, match="by a symbolic link"):
        write_tree(tmp_path / "out", {"a.proto": "", "link/x.proto": ""})

    assert everything(tmp_path / "elsewhere") == []
    assert everything(tmp_path / "out") == ["link"]


def test_an_export_compiles_to_the_same_schema(tmp_path: Path) -> None:
    schema = load("containerd@1.6")

    written = export(schema, tmp_path / "out")

    again = compile_folder(tmp_path / "out")
    wanted = {file.name: normal(file) for file in schema.file_protos()}
    assert {name: normal(file) for name, file in again.files.items()} == wanted
    assert len(written) == 31
    assert not (tmp_path / "out" / "google" / "protobuf").exists()


def test_an_export_replaces_its_own_files_and_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "x.proto").write_text("old")

    written = export(schema_with_file("x.proto"), tmp_path)

    assert written == [tmp_path / "x.proto"]
    assert everything(tmp_path) == ["mine.txt", "x.proto"]
    assert "message M {}" in (tmp_path / "x.proto").read_text()


def test_a_file_named_as_a_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="both as a file and as a folder"):
        write_tree(tmp_path / "out", {"a": "", "a/b": ""})

    assert everything(tmp_path) == ["out"]


def test_a_folder_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.proto").mkdir()

    with pytest.raises(SchemaError, match="is a folder"):
        write_tree(tmp_path, {"a.proto": "", "x.proto": ""})

    assert everything(tmp_path) == ["x.proto"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, count = tree._write, iter(range(10))

    def fill_up(path: Path, text: str) -> None:
        if next(count) == 2:
            raise OSError(28, "No space left on device")
        write(path, text)

    monkeypatch.setattr(tree, "_write", fill_up)

    with pytest.raises(OSError, match="No space left"):
        write_tree(tmp_path, {"a/1": "", "b/2": "", "c/3": ""})

    assert everything(tmp_path) == []


@pytest.mark.parametrize("exchange", [True, False], ids=["exchanged", "moved"])
def test_a_folder_is_replaced_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, exchange: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(tree, "_exchange", lambda *_: False)
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "old").write_text("old")

    with staged(tmp_path / "line", {"new": "new"}) as stage:
        replace_folder(tmp_path / "line", stage)

    assert everything(tmp_path) == ["line", "line/new"]


def test_a_written_folder_can_be_read_by_others(tmp_path: Path) -> None:
    with staged(tmp_path / "line", {"new": "new"}) as stage:
        replace_folder(tmp_path / "line", stage)

    assert (tmp_path / "line").stat().st_mode & 0o777 == 0o755


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("pathlib.Path.replace", refuse)

    with pytest.raises(OSError, match="Input/output"):
        replace_file(tmp_path / "file", "new")

    assert (tmp_path / "file").read_text() == "old"
    assert everything(tmp_path) == ["file"]
