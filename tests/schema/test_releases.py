"""The releases of the search path, and which one a name stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from toolkit.errors import ReleaseNotFound, SchemaError
from toolkit.schema.releases import (
    Release,
    find_release,
    line_key,
    read_folder,
    releases,
    search_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = """\
[containerd."9.1"]
repository = "https://example.com/containerd"
tag = "v9.1.2"
commit = "abc"
root = "containerd/9.1"
digest = "d1"
companions = ["cgroups@3.1", "nri@0.12"]

[mine."0.1"]
tag = "v0.1.0"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes a folder of the search path out of the text of its vendor.toml."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))

    def make(text: str) -> Path:
        (tmp_path / "vendor.toml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("TTRPC_VENDOR", str(tmp_path))
        return tmp_path

    return make


def test_all_lines_are_there_in_order() -> None:
    found: dict[str, list[str]] = {}
    for release in releases():
        found.setdefault(release.project, []).append(release.line)

    assert list(found)[:4] == ["containerd", "cgroups", "hcsshim", "kata"]
    assert list(found)[4:] == ["nri", "reflection", "runtimeoptions", "ttrpc"]
    assert found["containerd"] == [
        "1.2",
        "1.3",
        "1.4",
        "1.5",
        "1.6",
        "1.7",
        "2.0",
        "2.1",
        "2.2",
        "2.3",
        "2.4",
    ]
    assert found["cgroups"] == ["0-1.2", "0-1.4", "1.1", "3.0.2", "3.0", "3.1", "main"]
    assert found["nri"] == ["0.3", "0.6", "0.8", "0.10", "0.11", "0.12"]
    assert found["kata"] == ["2.5", "3.0", "3.32", "4.1"]
    assert found["ttrpc"] == ["main"]


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_every_line_names_its_source_and_its_companions(release: Release) -> None:
    known = {known.name: known for known in releases()}

    assert release.repository.startswith("https://github.com/")
    assert release.tag
    assert len(release.commit) == 40 or release.notes
    assert len(release.digest) == 64
    assert release.root.is_dir()
    assert release.origin == "package"
    assert set(release.companions) <= known.keys() - {release.name}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("containerd", "containerd@2.4"),
        ("containerd@2.3", "containerd@2.3"),
        ("containerd@v2.3", "containerd@2.3"),
        ("containerd@2.3.7", "containerd@2.3"),
        ("containerd@v2.3.7", "containerd@2.3"),
        ("containerd@2.4.0-beta.0", "containerd@2.4"),
        ("containerd@2.4+unknown", "containerd@2.4"),
        ("cgroups", "cgroups@3.1"),
        ("cgroups@main", "cgroups@main"),
        ("cgroups@3.0.2", "cgroups@3.0.2"),
        ("cgroups@3.0.5", "cgroups@3.0"),
        ("cgroups@v3.0", "cgroups@3.0"),
        ("nri@0.1", None),
        ("nri@0.10.1", "nri@0.10"),
        ("nri", "nri@0.12"),
        ("ttrpc", "ttrpc@main"),
        ("kata@3.32.0", "kata@3.32"),
        ("kata@3.3", None),
        ("containerd@2.33", None),
        ("containerd@", None),
        ("containerd@2", None),
        ("", None),
        ("@2.3", None),
        ("Containerd", None),
    ],
)
def test_a_name_stands_for_one_line(name: str, found: str | None) -> None:
    if found is not None:
        assert find_release(name).name == found
        return

    with pytest.raises(ReleaseNotFound):
        find_release(name)


def test_a_miss_names_the_nearest() -> None:
    with pytest.raises(ReleaseNotFound) as caught:
        find_release("conteinerd@2.3")

    assert caught.value.nearest[0] == "containerd@2.3"
    assert "did you mean containerd@2.3" in str(caught.value)


def test_an_unknown_line_offers_lines_of_the_same_project() -> None:
    with pytest.raises(ReleaseNotFound) as caught:
        find_release("nri@0.13")

    assert caught.value.nearest
    assert all(name.startswith("nri@") for name in caught.value.nearest)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [("1.9", "1.10"), ("3.0.2", "3.0"), ("3.0", "3.1"), ("0-1.4", "1.1"), ("3.1", "main")],
)
def test_lines_sort_as_versions(earlier: str, later: str) -> None:
    assert line_key(earlier) < line_key(later)


def test_a_users_line_comes_beside_ours(folder: Callable[[str], Path]) -> None:
    root = folder(RECORD)

    found = find_release("containerd")

    assert found.name == "containerd@9.1"
    assert (found.tag, found.commit, found.digest) == ("v9.1.2", "abc", "d1")
    assert found.companions == ("cgroups@3.1", "nri@0.12")
    assert found.root == root / "containerd" / "9.1"
    assert found.origin == str(root)
    assert find_release("mine").root == root / "mine" / "0.1"
    assert find_release("containerd@2.3").origin == "package"


def test_a_users_line_shadows_ours_of_the_same_name(folder: Callable[[str], Path]) -> None:
    root = folder(RECORD.replace("9.1", "2.3"))

    assert find_release("containerd@2.3").origin == str(root)
    assert [release.name for release in releases()].count("containerd@2.3") == 1


def test_the_users_data_folder_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ttrpc-toolkit" / "vendor"
    folder.mkdir(parents=True)
    (folder / "vendor.toml").write_text(RECORD, encoding="utf-8")
    monkeypatch.delenv("TTRPC_VENDOR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert find_release("mine").origin == str(folder)


def test_a_relative_data_home_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "share")
    monkeypatch.setenv("HOME", "/home/someone")

    assert Path("/home/someone/.local/share/ttrpc-toolkit/vendor") in search_path()


def test_another_users_data_folder_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that only inherited HOME must not fail for it."""
    folder = tmp_path / "ttrpc-toolkit" / "vendor"
    folder.mkdir(parents=True)
    (folder / "vendor.toml").write_text("broken")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder)

    assert find_release("containerd").origin == "package"


def test_without_a_home_the_package_is_all_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("TTRPC_VENDOR", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)

    assert [folder.name for folder in search_path()] == ["vendor"]


def test_the_search_path_takes_several_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTRPC_VENDOR", f"{tmp_path}/a{os.pathsep}{os.pathsep}{tmp_path}/b")

    assert search_path()[:2] == [tmp_path / "a", tmp_path / "b"]


def test_an_absent_folder_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTRPC_VENDOR", str(tmp_path / "absent"))

    assert find_release("containerd").origin == "package"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[containerd", "is not TOML"),
        ("x = 1\n", "wanted a table"),
        ('[containerd]\n"2.3" = "x"\n', "wanted a table"),
        ('[containerd."2.3"]\ntag = 3\n', "tag = 3; wanted text"),
        ('[containerd."2.3"]\ncompanions = "nri"\n', "wanted a list"),
        ('[containerd."2.3"]\ntag = "a"\ntag = "b"\n', "is not TOML"),
        ('[a."1"]\n[a."1"]\n', "is not TOML"),
        ('tag = "a"\n[a."1"]\n', "wanted a table"),
    ],
)
def test_a_broken_record_is_an_error_that_names_the_file(
    text: str, said: str, folder: Callable[[str], Path]
) -> None:
    root = folder(text)

    with pytest.raises(SchemaError) as caught:
        releases()

    assert str(root / "vendor.toml") in str(caught.value)
    assert said in str(caught.value)


def test_a_record_that_is_not_text_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "vendor.toml").write_bytes(b"\xff")

    with pytest.raises(SchemaError, match=r"vendor\.toml is not UTF-8"):
        read_folder(tmp_path, origin="")


def test_any_toml_of_the_same_meaning_reads_the_same(tmp_path: Path) -> None:
    """What is not in our own layout goes through tomllib."""
    plain, other = tmp_path / "plain", tmp_path / "other"
    plain.mkdir()
    other.mkdir()
    (plain / "vendor.toml").write_text(RECORD, encoding="utf-8")
    (other / "vendor.toml").write_text(
        '[containerd]\n"9.1" = {repository = "https://example.com/containerd", tag = "v9.1.2", '
        'commit = "abc", root = "containerd/9.1", digest = "d1", '
        'companions = ["cgroups@3.1", "nri@0.12"]}\n'
        "[mine]\n'0.1'.tag = '''v0.1.0'''  # as it likes\n",
        encoding="utf-8",
    )

    found = [release._replace(root=Path()) for release in read_folder(plain, origin="")]

    assert found == [release._replace(root=Path()) for release in read_folder(other, origin="")]


def test_our_own_record_is_read_without_tomllib() -> None:
    script = (
        "import sys; from toolkit.schema.releases import find_release; "
        "find_release('containerd@2.3'); "
        "print([m for m in ('tomllib', 'difflib', 'dataclasses', 'google') if m in sys.modules])"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}

    found = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, check=True, text=True, env=environment, cwd=Path.cwd(),
    )  # fmt: skip

    assert found.stdout == "[]\n"
