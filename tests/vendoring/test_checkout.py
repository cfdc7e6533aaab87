"""An upstream tree becomes a line: every layout, its third parties, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.vendoring.trees import FILES, everything, own_files, plant
from toolkit.errors import CompileError, SchemaError
from toolkit.schema.compile import ImportNotFound
from toolkit.schema.load import load
from toolkit.schema.vendoring.sync import Synced, sync, tree_source
from toolkit.schema.vendoring.verifying import verify_line

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.releases import Release

GITHUB = "github.com/containerd/containerd/"
API = f"{GITHUB}api/"


def synced(name: str, tree: Path, vendor: Path, *roots: Path) -> Synced:
    return sync(name, tree_source(name, tree, roots), vendor)


@pytest.mark.parametrize("line", ["1.2", "1.7", "2.2", "2.4"])
def test_a_copy_of_our_own_line_gives_an_equal_schema(line: str, tmp_path: Path) -> None:
    name = f"containerd@{line}"
    tree = plant(tmp_path / "copy", own_files(name))

    done = synced(name, tree, tmp_path / "vendor")

    shipped = load(name).release
    assert shipped is not None
    assert done.release.digest == shipped.digest
    assert done.differences == []
    assert everything(done.release.root).keys() == everything(shipped.root).keys()
    assert verify_line(done.release).equal


@pytest.mark.parametrize(
    ("line", "without", "below"),
    [
        ("1.6", GITHUB, ""),
        ("1.6", GITHUB, "containerd/"),
        ("2.2", API, ""),
        ("2.2", GITHUB, ""),
        ("2.4", "", "api/"),
    ],
    ids=["checkout 1.6", "a folder above it", "module 2.2", "checkout 2.2", "checkout 2.4"],
)
def test_an_upstream_layout_gives_the_names_that_we_ship(
    line: str, without: str, below: str, tmp_path: Path
) -> None:
    name = f"containerd@{line}"
    files = own_files(name, without=without, below=below)
    tree = plant(tmp_path / "tree", files)

    done = synced(name, tree, tmp_path / "vendor")

    shipped = load(name).release
    assert shipped is not None
    assert done.release.digest == shipped.digest
    assert everything(done.release.root).keys() == everything(shipped.root).keys()


def test_common_third_parties_come_from_a_release_and_others_from_roots(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "tree",
        {
            "a.proto": 'syntax = "proto3"; package a; import "gogoproto/gogo.proto";'
            'import "github.com/gogo/googleapis/google/rpc/status.proto"; import "other/b.proto";'
            "message A { google.rpc.Status s = 1; other.B b = 2; }",
            "vendor/other/b.proto": "no source at all",
        },
    )
    roots = plant(
        tmp_path / "roots",
        {"other/b.proto": 'syntax = "proto3"; package other; message B { string id = 1; }'},
    )

    done = synced("mine@1", tree, tmp_path / "vendor", roots)

    names = {name for name in everything(done.release.root) if name.endswith(".proto")}
    assert names == {"a.proto", "gogoproto/gogo.proto", "google/rpc/status.proto", "other/b.proto"}
    assert any("gogoproto/gogo.proto is the copy of containerd@" in note for note in done.notes)


def test_an_import_by_two_names_is_one_file(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "tree",
        {
            "a.proto": 'syntax = "proto3"; package a; import "gogoproto/gogo.proto";',
            "b.proto": 'syntax = "proto3"; package b;\n'
            'import weak "github.com/gogo/protobuf/gogoproto/gogo.proto";\n'
            "message B { string id = 1 [(gogoproto.customname) = 'ID']; }",
        },
    )

    done = synced("mine@1", tree, tmp_path / "vendor")

    assert {"a.proto", "b.proto", "gogoproto/gogo.proto"} < everything(done.release.root).keys()
    assert 'import weak "gogoproto/gogo.proto";' in (done.release.root / "b.proto").read_text()


def test_files_that_no_import_leads_to_are_left_out_and_named(tmp_path: Path) -> None:
    files = own_files("containerd@2.4", below="api/")
    tree = plant(tmp_path / "tree", {**files, "cmd/tool.proto": 'syntax = "proto3";'})

    done = synced("containerd@2.5", tree, tmp_path / "vendor")

    assert "left out, for no import leads there: cmd/tool.proto" in done.notes


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    """A folder that has the line already."""
    folder = tmp_path / "vendor"
    synced("mine@1", plant(tmp_path / "old"), folder)
    return folder


def test_a_missing_file_of_its_own_is_named_and_the_old_tree_stays(
    vendor: Path, tmp_path: Path
) -> None:
    before = everything(vendor)
    tree = plant(tmp_path / "tree", {**FILES, "api/two/three.proto": 'syntax = "proto3";'})
    (tree / "api/two/two.proto").unlink()
    (tree / "api/one/four.proto").write_text(
        'syntax = "proto3"; import "example.com/mine/api/two/three.proto";'
    )

    with pytest.raises(ImportNotFound) as caught:
        synced("mine@1", tree, vendor)

    assert f"{tree / 'api/one/one.proto'}:3:9: " in str(caught.value)
    assert f"it would be {tree / 'api/two/two.proto'}" in str(caught.value)
    assert everything(vendor) == before


def test_a_missing_third_party_says_what_names_its_folder(vendor: Path, tmp_path: Path) -> None:
    before = everything(vendor)
    text = 'syntax = "proto3"; import "other/b.proto";'
    tree = plant(tmp_path / "tree", {**FILES, "api/one/c.proto": text})

    with pytest.raises(ImportNotFound, match=r'import "other/b.proto" is not there: .*; -I DIR'):
        synced("mine@1", tree, vendor)

    assert everything(vendor) == before


def test_a_file_cut_in_half_is_named_where_it_is_and_the_old_tree_stays(
    vendor: Path, tmp_path: Path
) -> None:
    before = everything(vendor)
    text = FILES["api/one/one.proto"]
    tree = plant(tmp_path / "tree", {**FILES, "api/one/one.proto": text[: len(text) * 2 // 3]})

    with pytest.raises(CompileError) as caught:
        synced("mine@1", tree, vendor)

    assert str(tree / "api/one/one.proto") in str(caught.value)
    assert everything(vendor) == before


def test_a_tree_without_protos_of_its_own_is_refused(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"vendor/a.proto": 'syntax = "proto3";', "b.txt": ""})

    with pytest.raises(SchemaError, match=r"has no \.proto file of its own"):
        tree_source("mine@1", tree, [])


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="nowhere is no folder"):
        tree_source("mine@1", plant(tmp_path / "tree"), [tmp_path / "nowhere"])


def test_comments_of_the_source_are_kept_and_headers_do_not_pile_up(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    first = synced("mine@1", plant(tmp_path / "tree"), vendor)
    text = (first.release.root / "example.com/mine/api/one/one.proto").read_text()

    again = synced("mine@1", plant(tmp_path / "copy", _texts(first.release)), vendor)

    assert "// What a caller sees first.\nservice Greeter {" in text
    assert "// What follows a field." in text
    assert (again.release.root / "example.com/mine/api/one/one.proto").read_text() == text


def _texts(release: Release) -> dict[str, str]:
    return {name: data.decode() for name, data in everything(release.root).items()}


def test_two_files_of_one_import_name_are_an_error_unless_they_are_equal(tmp_path: Path) -> None:
    text = 'syntax = "proto2"; package gogoproto; message %s {}'
    tree = plant(
        tmp_path / "tree",
        {"a/gogoproto/gogo.proto": text % "One", "b/gogoproto/gogo.proto": text % "One"},
    )

    assert synced("mine@1", tree, tmp_path / "vendor").notes == []

    plant(tree, {"b/gogoproto/gogo.proto": text % "Two"})
    with pytest.raises(SchemaError, match=r"a/gogoproto.* and .*b/gogoproto.* differ"):
        tree_source("mine@1", tree, [])


def test_an_import_that_climbs_is_named_where_it_is(tmp_path: Path) -> None:
    tree = plant(
        tmp_path / "tree",
        {
            "x/a.proto": 'syntax = "proto3";\nimport "../x/b.proto";',
            "x/b.proto": "syntax = 'proto3';",
        },
    )

    with pytest.raises(CompileError, match=r"x/a\.proto:2:1: an import may not climb"):
        synced("mine@1", tree, tmp_path / "vendor")


def test_a_comment_that_is_not_utf_8_is_kept_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"a.proto": ""})
    (tree / "a.proto").write_bytes(b'syntax = "proto3";\n// Caf\xe9.\nmessage A {}\n')

    done = synced("mine@1", tree, tmp_path / "vendor")

    assert "// Caf\ufffd.\nmessage A {}" in (done.release.root / "a.proto").read_text()


def test_a_companion_s_file_comes_from_a_release_that_has_it(tmp_path: Path) -> None:
    files = own_files("hcsshim@0.14", without="github.com/Microsoft/hcsshim/")
    left = {name: text for name, text in files.items() if "containerd/cgroups" not in name}
    assert len(left) < len(files)

    done = synced("hcsshim@0.15", plant(tmp_path / "tree", left), tmp_path / "vendor")

    assert done.differences == []
    assert any("metrics.proto is the copy of hcsshim@0.14" in note for note in done.notes)
