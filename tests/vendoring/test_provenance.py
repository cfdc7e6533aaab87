"""Tag, commit and companions are found where a tree says them, and only there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.vendoring.trees import FILES, plant
from toolkit.schema.vendoring.provenance import Provenance, companions, provenance
from toolkit.schema.vendoring.sync import sync, tree_source

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = plant(tmp_path / "checkout")
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "One")
    git(folder, "tag", "v1.2.3")
    git(folder, "tag", "api/v1.9.0")
    git(folder, "remote", "add", "origin", "https://me:secret@example.com/me/mine.git")
    return folder


def test_a_checkout_tells_its_tag_and_commit_and_no_password(checkout: Path) -> None:
    assert provenance(checkout) == Provenance(
        "v1.2.3", git(checkout, "rev-parse", "HEAD"), "https://example.com/me/mine"
    )
    assert provenance(checkout / "api") == provenance(checkout)


def test_a_tree_with_changes_says_so(checkout: Path, tmp_path: Path) -> None:
    (checkout / "api/two/two.proto").write_text(FILES["api/two/two.proto"].replace("text", "texts"))

    done = sync("mine@1.2", tree_source("mine@1.2", checkout, []), tmp_path / "vendor")

    assert done.release.tag == "v1.2.3"
    assert done.release.notes == "with changes that are not committed"
    assert any("with changes that are not committed" in note for note in done.notes)


def test_a_given_tag_is_not_joined_to_another_commit(checkout: Path, tmp_path: Path) -> None:
    source = tree_source("mine@1.2", checkout, [])

    done = sync("mine@1.2", source, tmp_path / "vendor", tag="v1.2.4")

    assert (done.release.tag, done.release.commit) == ("v1.2.4", "")


def test_a_tree_that_is_no_part_of_the_repository_around_it_is_of_no_commit(
    checkout: Path,
) -> None:
    assert provenance(plant(checkout / "scratch")) == Provenance()


def test_a_folder_of_the_module_cache_tells_its_version(tmp_path: Path) -> None:
    folder = plant(tmp_path / "mod" / "example.com" / "mine@v1.12.0")

    assert provenance(folder) == Provenance("v1.12.0")


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("git@example.com:me/mine.git", "https://example.com/me/mine"),
        ("ssh://git@example.com/me/mine", "ssh://example.com/me/mine"),
        ("/home/me/mine", ""),
        ("file:///home/me/mine", ""),
        ("http://[bad/x", ""),
    ],
)
def test_a_repository_is_recorded_as_others_may_see_it(
    url: str, public: str, checkout: Path
) -> None:
    git(checkout, "remote", "set-url", "origin", url)

    assert provenance(checkout).repository == public


def test_companions_are_those_that_go_mod_requires(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text(
        "module example.com/mine\n\nrequire (\n"
        "\tgithub.com/containerd/cgroups/v3 v3.0.5\n"
        "\tgithub.com/containerd/nri v0.11.0 // indirect\n"
        "\tgithub.com/Microsoft/hcsshim v0.99.0\n"
        ")\nrequire github.com/containerd/cgroups v1.1.0\n"
    )
    before = ["cgroups@3.1", "nri@0.12", "ttrpc@main", "hcsshim@0.14"]

    found = companions(tmp_path, before)

    assert found == ["cgroups@3.0", "cgroups@1.1", "nri@0.11", "ttrpc@main", "hcsshim@0.14"]


def test_without_a_go_mod_companions_are_those_of_the_line_before(tmp_path: Path) -> None:
    assert companions(tmp_path, ("cgroups@3.1",)) == ["cgroups@3.1"]


def test_a_checkout_s_settings_run_nothing(checkout: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(program))

    assert provenance(checkout).tag == "v1.2.3"
    assert not (tmp_path / "ran").exists()


def test_a_repository_that_the_environment_names_is_not_asked(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))

    assert provenance(plant(tmp_path / "other")) == Provenance()


def test_of_several_tags_that_of_the_release_is_taken(checkout: Path) -> None:
    for tag in ("v1.2.3-rc.10", "v1.2.2", "nightly-20260101"):
        git(checkout, "tag", tag)

    assert provenance(checkout).tag == "v1.2.3"


def test_a_git_that_does_not_answer_is_told_of(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    found = provenance(checkout)

    assert found == Provenance(
        note="of an unknown commit: git is not installed; --tag and --commit tell it"
    )


def test_what_is_typed_cannot_become_source(checkout: Path, tmp_path: Path) -> None:
    source = tree_source("mine@1.2", checkout, [])

    done = sync("mine@1.2", source, tmp_path / "vendor", tag="v1\nmessage X {}")

    assert "\nmessage X" not in next(done.release.root.rglob("one.proto")).read_text()
