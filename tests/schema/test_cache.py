"""The cache: good for exactly its sources, and never in the way."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.schema.protos import write_files
from toolkit.schema import cache, compiled
from toolkit.schema import compile as compiler
from toolkit.schema.files import read_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

A = 'syntax = "proto3";\npackage a;\nimport "b.proto";\n// Of a.\nmessage A { b.B b = 1; }\n'
B = 'syntax = "proto3";\npackage b;\nmessage B { int32 size = 1; }\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    return home / "ttrpc-toolkit"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(tmp_path / "root", {"a.proto": A, "b.proto": B})


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has been compiled: one entry a run of the compiler."""
    compiled: list[str] = []
    real: Callable[..., bytes] = compiler.compile_protos

    def counted(names: list[str], *rest: object, **options: object) -> bytes:
        compiled.append(" ".join(names))
        return real(names, *rest, **options)

    monkeypatch.setattr(compiler, "compile_protos", counted)
    return compiled


def names(found: compiled.Compiled) -> list[str]:
    return [read_file(data).name for data in found.files]


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.usefixtures("home")
def test_the_same_sources_are_compiled_once(root: Path, runs: list[str]) -> None:
    first = compiled.compiled(["a.proto"], [root])

    second = compiled.compiled(["a.proto"], [root])

    assert runs == ["a.proto"]
    assert second.files == first.files
    assert second.digest == first.digest
    assert names(second) == ["b.proto", "a.proto"]


@pytest.mark.usefixtures("home")
def test_comments_are_kept_in_a_file_of_their_own(root: Path, runs: list[str]) -> None:
    compiled.compiled(["a.proto"], [root])

    found = compiled.compiled(["a.proto"], [root])

    assert all(not read_file(data).source_info for data in found.files)
    assert b"Of a." in found.source_info()["a.proto"]
    assert len(runs) == 1


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["a.proto", "b.proto"])
def test_a_change_of_content_is_seen_whatever_the_time_stamp(
    root: Path, runs: list[str], name: str
) -> None:
    first = compiled.compiled(["a.proto"], [root])
    path = root / name
    before = path.stat()
    path.write_text(path.read_text().replace("= 1", "= 2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    second = compiled.compiled(["a.proto"], [root])

    assert len(runs) == 2
    assert second.files != first.files
    assert second.digest != first.digest


@pytest.mark.usefixtures("home")
def test_a_file_that_comes_to_hide_another_is_seen(root: Path, runs: list[str]) -> None:
    other = root.parent / "other"
    other.mkdir()
    compiled.compiled(["a.proto"], [other, root])
    write_files(other, {"b.proto": B.replace("size", "width")})

    found = compiled.compiled(["a.proto"], [other, root])

    assert len(runs) == 2
    assert b"width" in found.files[0]


@pytest.mark.usefixtures("home")
def test_a_file_that_comes_to_hide_the_engines_is_seen(root: Path, runs: list[str]) -> None:
    empty = 'syntax = "proto3";\npackage google.protobuf;\nmessage Empty {}\n'
    write_files(root, {"c.proto": 'syntax = "proto3";\nimport "google/protobuf/empty.proto";\n'})
    compiled.compiled(["c.proto"], [root])
    write_files(root, {"google/protobuf/empty.proto": empty})

    compiled.compiled(["c.proto"], [root])

    assert len(runs) == 2


def test_the_folder_and_its_files_are_for_us_alone(home: Path, root: Path) -> None:
    compiled.compiled(["a.proto"], [root])

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}
    assert sorted(path.suffix for path in home.iterdir()) == [".info", ".set"]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda data: os.urandom(len(data)),
    "cut short": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_made_anew(
    home: Path,
    root: Path,
    runs: list[str],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    first = compiled.compiled(["a.proto"], [root])
    for path in home.iterdir():
        path.write_bytes(damage(path.read_bytes()))

    second = compiled.compiled(["a.proto"], [root])

    assert second.files == first.files
    assert len(runs) == 2
    assert "damaged" in warnings(caplog)
    assert compiled.compiled(["a.proto"], [root]).files == first.files
    assert len(runs) == 2


def test_damaged_comments_are_made_anew(home: Path, root: Path) -> None:
    compiled.compiled(["a.proto"], [root])
    for path in home.glob("*.info"):
        path.write_bytes(b"garbage")

    found = compiled.compiled(["a.proto"], [root])

    assert b"Of a." in found.source_info()["a.proto"]


def test_comments_that_are_lost_with_their_sources_are_none(
    home: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    compiled.compiled(["a.proto"], [root])
    found = compiled.compiled(["a.proto"], [root])
    for path in home.glob("*.info"):
        path.unlink()
    (root / "b.proto").unlink()

    assert found.source_info() == {}
    assert "no comments" in warnings(caplog)


def test_a_folder_that_others_may_write_to_is_not_used(
    home: Path, root: Path, runs: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    compiled.compiled(["a.proto"], [root])
    home.chmod(0o777)

    compiled.compiled(["a.proto"], [root])

    assert len(runs) == 2
    assert "others may write" in warnings(caplog)


def test_a_folder_of_somebody_else_is_not_used(
    home: Path,
    root: Path,
    runs: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled.compiled(["a.proto"], [root])
    owner = home.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    found = compiled.compiled(["a.proto"], [root])

    assert names(found) == ["b.proto", "a.proto"]
    assert len(runs) == 2
    assert f"belongs to user {owner}" in warnings(caplog)


def test_a_cache_that_cannot_be_written_is_done_without(
    home: Path, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home.parent.write_text("a file where the folder should be")

    found = compiled.compiled(["a.proto"], [root])

    assert names(found) == ["b.proto", "a.proto"]
    assert b"Of a." in found.source_info()["a.proto"]
    assert "cannot write the cache" in warnings(caplog)


def test_warnings_stay_off_standard_error_unless_asked_for(
    home: Path, root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.parent.write_text("a file where the folder should be")
    # As in a program that has not set logging up: pytest has.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])

    compiled.compiled(["a.proto"], [root])

    assert capfd.readouterr() == ("", "")


def test_without_xdg_it_is_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache.cache_folder() == tmp_path / ".cache" / "ttrpc-toolkit"


def test_a_relative_xdg_path_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache.cache_folder() == tmp_path / ".cache" / "ttrpc-toolkit"


def test_without_home_it_is_below_the_home_in_passwd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)

    folder = cache.cache_folder()

    assert folder is not None
    assert folder.name == "ttrpc-toolkit"


def test_without_any_home_there_is_no_cache(
    root: Path, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)  # nobody's number

    for _ in range(2):
        assert names(compiled.compiled(["a.proto"], [root])) == ["b.proto", "a.proto"]

    assert cache.cache_folder() is None
    assert len(runs) == 2


def test_the_oldest_entries_go_when_there_are_too_many(
    home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled.compiled(["b.proto"], [root])
    old = set(home.iterdir())
    for path in old:
        os.utime(path, (1, 1))
    monkeypatch.setattr(cache, "MAX_SIZE", sum(path.stat().st_size for path in old) * 2)

    compiled.compiled(["a.proto"], [root])

    left = set(home.iterdir())
    assert not left & old
    assert {path.suffix for path in left} == {".info", ".set"}


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x0a\x01x\x0a\x01y", b"\x0a\x02"])
def test_an_entry_that_makes_no_sense_is_a_miss_though_its_checksum_is_right(
    home: Path, root: Path, runs: list[str], caplog: pytest.LogCaptureFixture, junk: bytes
) -> None:
    first = compiled.compiled(["a.proto"], [root])
    for entry in home.iterdir():
        entry.write_bytes(cache._checksum(junk) + junk)

    second = compiled.compiled(["a.proto"], [root])

    assert second.files == first.files
    assert b"Of a." in second.source_info()["a.proto"]
    assert len(runs) == 2
    assert "makes no sense" in warnings(caplog)
