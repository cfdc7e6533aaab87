"""``ttrpc vendor sync`` makes a release of what people have, ``remove`` takes it away."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.cli.command import Task, serving, ttrpc
from tests.cli.schemas import arguments
from tests.support.echo import ECHO
from tests.vendoring.trees import FILES, everything, own_files, plant
from toolkit import reflection
from toolkit.schema.files import read_file
from toolkit.schema.releases import user_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

V3 = "containerd.task.v3.Task"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has no releases yet; their folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("TTRPC_VENDOR", raising=False)
    folder = user_folder()
    assert folder is not None
    return folder


@pytest.fixture
def next_line(tmp_path: Path) -> Path:
    """A checkout of a containerd that is newer than what we ship: a field and a method more."""
    files = own_files("containerd@2.4", below="api/")
    name = "api/runtime/task/v3/shim.proto"
    text = files[name].replace(
        "rpc State(", "rpc Thaw(StateRequest) returns (StateResponse);\nrpc State("
    )
    files[name] = text.replace(
        "message KillRequest {", "message KillRequest {\n// Why.\nstring reason = 5;"
    )
    files["api/next/next.proto"] = 'syntax = "proto3"; package containerd.next; message Next {}'
    return plant(tmp_path / "checkout", files)


def test_a_synced_line_is_a_release_to_every_verb(
    next_line: Path, home: Path, tmp_path: Path
) -> None:
    done = ttrpc("vendor", "sync", "containerd@2.5", "--from", next_line, "--tag", "v2.5.0")

    assert done.code == 0
    assert done.out == (
        f"containerd@2.5 (v2.5.0): 46 files, 329 symbols, 20 services\n"
        "against containerd@2.4 (v2.4.2): 3 differences\n"
        "  containerd.task.v3.KillRequest: field 5 reason (string) added\n"
        f"  {V3}: method Thaw (containerd.task.v3.StateRequest -> "
        "containerd.task.v3.StateResponse) added\n"
        "  whole packages added: containerd.next (1 symbol)\n"
    )
    listed = ttrpc("releases").out.splitlines()
    assert any(
        line.split(maxsplit=3) == ["containerd@2.5", "v2.5.0", "-", f"{home}, of {next_line}"]
        for line in listed
    )
    record = json.loads(ttrpc("releases", "--json").out)
    [own] = [one for one in record if one["name"] == "containerd@2.5"]
    assert (own["origin"], own["source"]) == (str(home), str(next_line))
    assert toolkit.load("containerd").release == toolkit.load("containerd@2.5").release
    assert "did you mean containerd@2.5" in ttrpc("list", "-s", "containerd@2.55").err
    described = ttrpc("describe", "-s", "containerd@2.5", "containerd.task.v3.KillRequest").out
    assert "  // Why.\n  string reason = 5;\n" in described
    task = toolkit.load("containerd@2.5").service(V3)
    with serving((task, Task())) as address:
        called = ttrpc("call", address, "State", "-s", "containerd@2.5", "-d", '{"id": "web"}')
        assert (called.code, json.loads(called.out)["id"]) == (0, "web")
    out = tmp_path / "stubs"
    assert ttrpc("codegen", "-s", "containerd@2.5", "--service", V3, "--out", out).code == 0
    assert "Why." in (out / "containerd_task_v3.pyi").read_text()
    assert ttrpc("vendor", "verify").code == 0

    removed = ttrpc("vendor", "remove", "containerd@2.5")

    assert (removed.code, removed.out) == (0, f"removed containerd@2.5 from {home}\n")
    assert "containerd@2.5" not in ttrpc("releases").out


def test_a_given_folder_is_made_and_the_user_s_own_left_alone(
    next_line: Path, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "lines"

    done = ttrpc("vendor", "sync", "containerd@2.5", "--from", next_line, "--vendor", folder)

    assert done.code == 0
    assert (folder / "containerd/2.5/types/mount.proto").is_file()
    assert not home.exists()
    assert "containerd@2.5" in ttrpc("releases", "--vendor", folder).out


def test_a_line_that_another_folder_hides_says_so(
    next_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    ttrpc("vendor", "sync", "containerd@2.5", "--from", next_line, "--vendor", first)
    monkeypatch.setenv("TTRPC_VENDOR", str(first))

    done = ttrpc("vendor", "sync", "containerd@2.5", "--from", next_line)

    assert f"the one in {first} comes first, and hides it" in done.err


# Sources


@pytest.mark.parametrize("form", ["directory", "binary", "executable"])
def test_every_form_of_a_schema_is_a_source(form: str, tmp_path: Path) -> None:
    source = arguments(form, tmp_path)[1]

    done = ttrpc("vendor", "sync", "containerd@2.3", "--from", source)

    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[1].startswith("against containerd@2.3 (v2.3.4) as known until now: ")
    # The descriptor set is that of one file and what it imports.
    assert (form == "binary") == any("whole packages removed: " in line for line in lines[2:])
    assert form == "binary" or len(lines) == 2


def test_an_executable_s_path_is_enough_and_its_libraries_stay_out(tmp_path: Path) -> None:
    program = tmp_path / "shim"
    files = [
        read_file(data).data
        for name in ("containerd@2.4", "nri@0.12")
        for data in toolkit.load(name).files().values()
    ]
    program.write_bytes(b"\x7fELF" + b"\0\0code\0\0".join(files))

    done = ttrpc("vendor", "sync", "containerd@2.5", "--from", program)

    assert done.code == 0
    assert "against containerd@2.4 (v2.4.2): 0 differences" in done.out
    assert "left out, as other projects' packages: nri" in done.err


def test_a_program_without_anything_of_the_project_is_refused(tmp_path: Path) -> None:
    program = arguments("executable", tmp_path)[1]

    done = ttrpc("vendor", "sync", "nri@0.13", "--from", program)

    assert done.code == 1
    assert "it has no package nri.*; it has containerd." in done.err


class Echo:
    def Unary(self, request: Any, context: Any) -> Any:
        return request

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


def test_a_server_with_reflection_is_a_source(home: Path) -> None:
    with serving((ECHO, Echo()), setup=reflection.enable) as address:
        done = ttrpc("vendor", "sync", "echo@1", "--from", address)

    assert done.code == 0
    assert "From its reflection." in done.err
    assert "the first line of echo: nothing to compare with" in done.out
    assert ECHO.name in [service.name for service in toolkit.load("echo@1").services()]


def test_a_server_that_tells_nothing_is_refused() -> None:
    task = toolkit.load("containerd@2.4").service(V3)
    with serving((task, Task())) as address:
        done = ttrpc("vendor", "sync", "containerd@2.5", "--from", address)

    assert done.code == 1
    assert "has no schema of its own to take" in done.err


def test_a_tree_with_a_folder_called_address_is_a_tree(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    (tree / "address").mkdir()

    assert ttrpc("vendor", "sync", "mine@1", "--from", tree).code == 0


def test_roots_come_from_the_command_line(tmp_path: Path) -> None:
    text = 'syntax = "proto3"; import "other/b.proto";'
    tree = plant(tmp_path / "tree", {"a.proto": text})
    roots = plant(tmp_path / "roots", {"other/b.proto": 'syntax = "proto3"; message B {}'})

    assert "-I DIR" in ttrpc("vendor", "sync", "mine@1", "--from", tree).err
    done = ttrpc("vendor", "sync", "mine@1", "--from", tree, "-I", roots)
    assert (done.code, done.out.splitlines()[0]) == (0, "mine@1: 2 files, 1 symbol, 0 services")


def test_a_release_written_again_keeps_where_it_is_from(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    ttrpc("vendor", "sync", "mine@1", "--from", tree, "--tag", "v1")

    ttrpc("vendor", "sync", "mine@1", "--from", "mine@1")

    release = toolkit.load("mine@1").release
    assert release is not None
    assert (release.source, release.tag) == (str(tree), "v1")


# What is wrong


@pytest.mark.parametrize("tag", ["v1\nmessage X {}", "v\udce9"])
def test_a_tag_that_is_no_plain_text_is_refused(tag: str, tmp_path: Path) -> None:
    done = ttrpc("vendor", "sync", "mine@1", "--from", plant(tmp_path / "tree"), "--tag", tag)

    assert done.code == 2
    assert "wanted plain text" in done.err


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("containerd", "'containerd' is no name for a line; wanted PROJECT@MAJOR.MINOR"),
        ("containerd@", "'containerd' is no name for a line"),
        ("../x@1", "is no name for a line"),
        ("mine@../1", "is no name for a line"),
        ("mine@1@2", "is no name for a line"),
    ],
)
def test_a_name_that_is_none_is_refused_before_anything_is_read(
    name: str, problem: str, home: Path
) -> None:
    done = ttrpc("vendor", "sync", name, "--from", "/nowhere")

    assert done.code == 1
    assert problem in done.err
    assert not home.exists()


@pytest.mark.parametrize("source", ["/nowhere", "nowhere.binpb", "containerd@9.9"])
def test_a_source_that_is_not_there_is_named(source: str, home: Path) -> None:
    done = ttrpc("vendor", "sync", "mine@1", "--from", source)

    assert done.code == 1
    assert source in done.err
    assert not home.exists()


def test_what_fails_leaves_the_old_line_and_names_the_file(tmp_path: Path, home: Path) -> None:
    tree = plant(tmp_path / "tree")
    assert ttrpc("vendor", "sync", "mine@1", "--from", tree).code == 0
    before = everything(home)
    (tree / "api/two/two.proto").write_text(FILES["api/two/two.proto"][:60])

    done = ttrpc("vendor", "sync", "mine@1", "--from", tree)

    assert done.code == 1
    assert f"{tree / 'api/two/two.proto'}:" in done.err
    assert everything(home) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)

    done = ttrpc("vendor", "sync", "mine@1", "--from", tree, "--vendor", closed)

    assert done.code == 1
    assert str(closed) in done.err


def test_a_release_that_comes_with_the_toolkit_is_not_removed(home: Path) -> None:
    done = ttrpc("vendor", "remove", "containerd@2.4")

    assert done.code == 1
    assert "no vendored release 'containerd@2.4'" in done.err
    assert str(home) in done.err
    assert "containerd@2.4" in ttrpc("releases").out


def test_two_folders_to_write_to_are_one_too_many(tmp_path: Path) -> None:
    done = ttrpc("vendor", "remove", "mine@1", "--vendor", tmp_path, "--vendor", tmp_path)

    assert done.code == 2
    assert "give --vendor once" in done.err


# Verifying


def test_verify_says_how_a_file_differs(tmp_path: Path, home: Path) -> None:
    ttrpc("vendor", "sync", "mine@1", "--from", plant(tmp_path / "tree"))
    place = home / "mine" / "1" / "example.com" / "mine" / "api"
    one, two = place / "one" / "one.proto", place / "two" / "two.proto"
    one.write_text(one.read_text().replace("first.", "last."))
    two.write_text(two.read_text().replace("string text", "bytes text"))

    done = ttrpc("vendor", "verify", "--vendor", home)

    assert done.code == 1
    name = "mine@1"
    lines = [" ".join(line.split()) for line in done.out.splitlines() if line.startswith(name)]
    base = "example.com/mine/api"
    assert f"{name} 0 of 2 files equal, in {home}" in lines
    changed = "its comments, options or layout; what it declares is as recorded"
    assert f"{name} changed: {base}/one/one.proto ({changed})" in lines
    assert f"{name} changed: {base}/two/two.proto (what it declares)" in lines
    assert ttrpc("vendor", "verify").code == 1
