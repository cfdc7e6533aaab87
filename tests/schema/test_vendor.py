"""Vendored lines are what was recorded, and are written whole or not at all."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.schema.protos import normal
from tests.support import vendored
from toolkit.errors import CompileError, SchemaError
from toolkit.resources import data_dir
from toolkit.schema.compare import differences, digest, structure
from toolkit.schema.files import split_set
from toolkit.schema.linking import link
from toolkit.schema.load import load
from toolkit.schema.releases import Release, read_folder, releases
from toolkit.schema.vendoring import writing
from toolkit.schema.vendoring.verifying import FileReport, LineReport, verify, verify_line
from toolkit.schema.vendoring.writing import write_line

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = data_dir("vendor")
SHARED = PACKAGE.parent.parent / "shared" / "schemas"

# Sets whose project or line is called otherwise than ours.
UNPUBLISHED = {"reflection"}  # no set of it among them
RENAMED = {
    "cgroups@0-1.2": "cgroups@0-containerd-1.2",
    "cgroups@0-1.4": "cgroups@0-containerd-1.4",
    "cgroups@1.1": "cgroups@1",
    "kata@2.5": "kata@2",
    "kata@3.32": "kata@3",
    "kata@4.1": "kata@4",
}

# The published set is of v2.4.0-beta.0; v2.4.2 requires the module containerd/api v1.12.0.
_SANDBOX = "containerd.runtime.sandbox.v1"
_BOOTSTRAP = "containerd.runtime.bootstrap.v1"
REFRESHED = {
    "containerd@2.4": [
        f"{_BOOTSTRAP}.BootstrapResult: field 6 extensions (repeated {_BOOTSTRAP}.Extension) added",
        f"{_SANDBOX}.Sandbox: method UpdateSandbox "
        f"({_SANDBOX}.UpdateSandboxRequest -> {_SANDBOX}.UpdateSandboxResponse) added",
        f"{_SANDBOX}.UpdateSandboxRequest: field 4 sandbox (containerd.types.Sandbox) added",
        f"{_SANDBOX}.UpdateSandboxRequest: field 5 fields (repeated string) added",
        "message containerd.types.MountCapabilities added",
    ]
}

FILES = {
    "a.proto": 'syntax = "proto3"; package a; import "b/b.proto"; message A { b.B b = 1; }\n',
    "b/b.proto": 'syntax = "proto3"; package b; message B { string id = 1; }\n',
}


def release(line: str = "1.0", **fields: Any) -> Release:
    found = Release(
        project="mine",
        line=line,
        tag=f"v{line}.0",
        commit="abc",
        repository="https://example.com/mine",
        digest="",
        companions=("ttrpc@main",),
        root=Path(),
        origin="",
    )
    return found._replace(**fields)


def everything(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def states(report: LineReport) -> dict[str, str]:
    return {file.name: file.state for file in report.files}


# What we ship


@pytest.mark.parametrize(
    "release", read_folder(PACKAGE, origin=str(PACKAGE)), ids=lambda release: release.name
)
def test_every_vendored_file_is_equal(release: Release) -> None:
    report = vendored.verify_line(release)

    assert report.problem == ""
    assert set(states(report).values()) == {"equal"}
    assert report.equal


def test_every_folder_of_protos_is_a_recorded_line() -> None:
    folders = {path.parent for path in PACKAGE.glob("*/*/SHA256SUMS")}
    with_protos = {PACKAGE.joinpath(*path.relative_to(PACKAGE).parts[:2])
                   for path in PACKAGE.rglob("*.proto")}  # fmt: skip

    assert folders == with_protos == {one.root for one in read_folder(PACKAGE, origin="")}


@functools.cache
def shared_sets() -> Mapping[str, Any]:
    index = json.loads((SHARED / "index.json").read_text())
    return {f"{one['project']}@{one['line'].removeprefix('v')}": one for one in index["sets"]}


@pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published descriptor sets are not beside the checkout"
)
@pytest.mark.parametrize(
    "name", [release.name for release in releases() if release.project not in UNPUBLISHED]
)
def test_a_vendored_line_is_equal_to_the_published_set(name: str) -> None:
    """File by file and field by field, options included."""
    described = shared_sets()[RENAMED.get(name, name.replace("containerd@", "containerd-full@"))]
    data = (SHARED / described["path"]).read_bytes()
    wanted = {file.name: file for file in FileDescriptorSet.FromString(data).file}
    schema = load(name)
    pool, files = link(name, split_set(data))

    found = {file.name: file for file in schema.file_protos()}

    assert schema.release is not None
    if name in REFRESHED:
        old = structure(pool.FindFileByName(file.name) for file in files)
        assert [one.text for one in differences(old, schema)] == REFRESHED[name]
        return
    assert (schema.release.tag, schema.release.commit) == (described["tag"], described["commit"])
    assert schema.release.digest == digest(structure(pool.FindFileByName(f.name) for f in files))
    assert _ours(found) == _ours(wanted)


def _ours(files: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: normal(file, without=("source_code_info", "json_name"))
        for name, file in files.items()
        if not name.startswith("google/protobuf/")
    }


# Writing a line


def test_a_written_line_is_recorded_and_verifies(tmp_path: Path) -> None:
    recorded = write_line(tmp_path, release(notes='a "quoted" note'), FILES)

    [found] = read_folder(tmp_path, origin=str(tmp_path))
    assert found == recorded
    assert found.root == tmp_path / "mine" / "1.0"
    assert found.notes == 'a "quoted" note'
    assert [report.equal for report in verify([tmp_path])] == [True]
    assert (found.root / "b" / "b.proto").read_text() == FILES["b/b.proto"]


def test_lines_are_recorded_beside_each_other_in_order(tmp_path: Path) -> None:
    for line in ("1.10", "1.9", "main"):
        write_line(tmp_path, release(line), FILES)
    again = write_line(tmp_path, release("1.9", tag="v1.9.1"), FILES)

    found = read_folder(tmp_path, origin=str(tmp_path))

    assert [one.line for one in found] == ["1.9", "1.10", "main"]
    assert found[0] == again


def test_a_line_replaces_the_one_before_it_whole(tmp_path: Path) -> None:
    write_line(tmp_path, release(), FILES)

    write_line(tmp_path, release(), {"c.proto": 'syntax = "proto3";'})

    assert set(everything(tmp_path)) == {
        "mine/1.0/SHA256SUMS",
        "mine/1.0/c.proto",
        "vendor.toml",
    }


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"a.proto": FILES["a.proto"]}, CompileError),
        ({"a.proto": 'syntax = "proto3"; mess'}, CompileError),
        ({"../a.proto": 'syntax = "proto3";'}, SchemaError),
        ({"/a.proto": 'syntax = "proto3";'}, SchemaError),
        ({}, SchemaError),
    ],
    ids=["half a closure", "cut in half", "climbs", "absolute", "nothing"],
)
def test_a_line_that_cannot_be_written_leaves_all_as_it_was(
    files: dict[str, str], error: type[Exception], tmp_path: Path
) -> None:
    write_line(tmp_path, release(), FILES)
    before = everything(tmp_path)

    with pytest.raises(error):
        write_line(tmp_path, release(), files)

    assert everything(tmp_path) == before


@pytest.mark.parametrize("step", ["staged", "replace_folder", "replace_file"])
def test_a_failing_disk_leaves_a_whole_tree(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_line(tmp_path, release(), FILES)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, step, fail)
    with pytest.raises(OSError, match="No space left"):
        write_line(tmp_path, release(), {"c.proto": 'syntax = "proto3";'})

    [found] = read_folder(tmp_path, origin="")
    assert states(verify_line(found)) in (
        {"a.proto": "equal", "b/b.proto": "equal"},
        {"c.proto": "equal"},
    )


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", 'a"b', ".hidden"])
def test_a_name_that_is_none_for_a_line_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="is no name for a line"):
        write_line(tmp_path, release(name), FILES)
    with pytest.raises(SchemaError, match="is no name for a line"):
        write_line(tmp_path, release(project=name), FILES)

    assert everything(tmp_path) == {}


# Verifying one


@pytest.fixture
def line(tmp_path: Path) -> Release:
    return write_line(tmp_path, release(), FILES)


def test_an_edited_comment_is_noticed(line: Release) -> None:
    path = line.root / "b" / "b.proto"
    path.write_text(path.read_text() + "// mine\n")

    report = verify_line(line)

    assert states(report) == {"a.proto": "equal", "b/b.proto": "changed"}
    assert report.problem == ""
    assert not report.equal


def test_an_edited_field_is_noticed_in_the_interface_too(line: Release) -> None:
    path = line.root / "b" / "b.proto"
    path.write_text(path.read_text().replace("string id", "bytes id"))

    report = verify_line(line)

    assert states(report) == {"a.proto": "equal", "b/b.proto": "changed"}
    assert line.digest in report.problem


def test_a_deleted_file_is_noticed(line: Release) -> None:
    (line.root / "a.proto").unlink()

    report = verify_line(line)

    assert states(report) == {"a.proto": "missing", "b/b.proto": "equal"}
    assert not report.equal


def test_an_added_file_is_noticed(line: Release) -> None:
    (line.root / "c.proto").write_text('syntax = "proto3"; message C {}')

    report = verify_line(line)

    assert FileReport("c.proto", "extra") in report.files
    assert not report.equal


def test_a_line_that_does_not_compile_says_why_and_which_file(line: Release) -> None:
    (line.root / "b" / "b.proto").write_text("garbage")

    report = verify_line(line)

    assert states(report) == {"a.proto": "equal", "b/b.proto": "changed"}
    assert "b.proto:1:1" in report.problem


def test_a_line_without_its_sums_says_so(line: Release) -> None:
    (line.root / "SHA256SUMS").unlink()

    report = verify_line(line)

    assert "SHA256SUMS" in report.problem
    assert not report.equal


def test_a_line_whose_folder_is_gone_says_so(line: Release) -> None:
    report = verify_line(line._replace(root=line.root / "gone"))

    assert "gone" in report.problem


def test_garbled_sums_are_quoted(line: Release) -> None:
    (line.root / "SHA256SUMS").write_text("what?\n")

    assert "'what?'; wanted a sum" in verify_line(line).problem
