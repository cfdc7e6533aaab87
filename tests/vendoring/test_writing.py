"""A line is replaced whole or not at all, whatever happens to the process or the disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.vendoring.trees import everything
from toolkit.errors import ReleaseNotFound, SchemaError
from toolkit.schema.files import read_name
from toolkit.schema.load import schema_from
from toolkit.schema.releases import Release, read_folder
from toolkit.schema.sources import VendoredSource
from toolkit.schema.vendoring.verifying import verify_line
from toolkit.schema.vendoring.writing import remove_line, write_line

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = {
    "a.proto": 'syntax = "proto3"; package a; import "b/b.proto"; message A { b.B b = 1; }\n',
    "b/b.proto": 'syntax = "proto3"; package b; message B { string id = 1; }\n',
}
NEW = {"c.proto": 'syntax = "proto3"; package c; message C { string id = 1; }\n'}

# Writes NEW over what is there, and dies before or after the n-th call of a step: by SIGKILL, or
# by the KeyboardInterrupt of Ctrl-C.
DYING = """
import os, shutil, signal, sys
from pathlib import Path
from toolkit.schema.releases import Release
from toolkit.schema.vendoring import writing

vendor, step, left, when = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
holder = shutil if hasattr(shutil, step) else writing
real = getattr(holder, step)
number = getattr(signal, sys.argv[6])

def dying(*args, **kwargs):
    global left
    left -= 1
    if left == 0 and when == "before":
        os.kill(os.getpid(), number)
    result = real(*args, **kwargs)
    if left == 0:
        os.kill(os.getpid(), number)
    return result

setattr(holder, step, dying)
release = Release("mine", "1.0", "v1.0.1", "", "", "", (), Path(), "")
writing.write_line(vendor, release, {"c.proto": sys.argv[5]})
"""

STEPS = [("interface_of", 1), ("copytree", 1), ("replace_file", 1), ("replace_folder", 1)]
STEPS += [("replace_file", 2), ("rmtree", 1)]


def release(line: str = "1.0", tag: str = "v1.0.0") -> Release:
    return Release("mine", line, tag, "", "", "", ("ttrpc@main",), Path(), "")


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "vendor"
    write_line(folder, release("0.9"), OLD)
    write_line(folder, release(), OLD)
    return folder


def recorded(vendor: Path, line: str = "1.0") -> Release:
    return next(one for one in read_folder(vendor, origin="") if one.line == line)


@pytest.mark.parametrize("number", ["SIGKILL", "SIGINT"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "count"), STEPS)
def test_a_killed_process_leaves_one_whole_line_and_the_next_clears_up(
    step: str, count: int, when: str, number: str, vendor: Path
) -> None:
    command = [sys.executable, "-c", DYING, str(vendor), step, str(count), when, NEW["c.proto"]]
    died = subprocess.run([*command, number], check=False, stderr=subprocess.DEVNULL)

    assert died.returncode == (-9 if number == "SIGKILL" else -2)
    left = recorded(vendor)
    assert verify_line(left).equal
    names = {name for name in everything(left.root) if name.endswith(".proto")}
    assert names in (OLD.keys(), NEW.keys())
    assert left.tag == ("v1.0.0" if names == OLD.keys() else "v1.0.1")
    assert len(schema_from(VendoredSource(left)).symbols()) > 1
    assert verify_line(recorded(vendor, "0.9")).equal

    write_line(vendor, release(tag="v1.0.2"), NEW)

    assert everything(vendor).keys() == {
        "vendor.toml",
        "mine/0.9/SHA256SUMS",
        "mine/0.9/a.proto",
        "mine/0.9/b/b.proto",
        "mine/1.0/SHA256SUMS",
        "mine/1.0/c.proto",
    }
    assert recorded(vendor).root == vendor / "mine" / "1.0"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "count"), [("replace_folder", 1), ("replace_file", 1)])
def test_a_first_sync_that_is_killed_is_no_line_or_a_whole_one(
    step: str, count: int, when: str, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-c",
        DYING,
        str(tmp_path / "new"),
        step,
        str(count),
        when,
        NEW["c.proto"],
    ]
    died = subprocess.run([*command, "SIGKILL"], check=False)

    assert died.returncode == -9
    lines = read_folder(tmp_path / "new", origin="")
    assert all(verify_line(line).equal for line in lines)
    assert (lines != []) == ((step, when) == ("replace_file", "after"))
    write_line(tmp_path / "new", release(), OLD)
    assert verify_line(recorded(tmp_path / "new")).equal


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB, with a line in it."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [60, 120, 200, 300])
def test_a_full_disk_leaves_the_old_line_whole(kilobytes: int, small_disk: Path) -> None:
    write_line(small_disk, release(), OLD)
    before = everything(small_disk)
    big = {**NEW, "big.proto": f'syntax = "proto3";\n// {"x" * kilobytes * 1024}\n'}

    if kilobytes < 100:
        write_line(small_disk, release(tag="v1.0.1"), big)
    else:
        with pytest.raises(OSError, match="No space left"):
            write_line(small_disk, release(tag="v1.0.1"), big)
        assert everything(small_disk) == before
    assert verify_line(recorded(small_disk)).equal
    assert not list(small_disk.glob("mine/.*"))


def test_two_at_once_lose_nothing_of_one_another(tmp_path: Path) -> None:
    lines = [f"1.{number}" for number in range(8)]
    threads = [
        threading.Thread(target=write_line, args=(tmp_path, release(line), NEW)) for line in lines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [one.line for one in read_folder(tmp_path, origin="")] == lines


def test_what_was_printed_wrong_is_not_written(vendor: Path) -> None:
    before = everything(vendor)

    with pytest.raises(SchemaError, match="declares something else than its source"):
        write_line(vendor, release(), NEW, interface="0" * 64)

    assert everything(vendor) == before


def test_a_removed_line_leaves_the_others(vendor: Path) -> None:
    removed = remove_line(vendor, "mine", "1.0")

    assert removed.name == "mine@1.0"
    assert [one.line for one in read_folder(vendor, origin="")] == ["0.9"]
    assert not (vendor / "mine" / "1.0").exists()
    remove_line(vendor, "mine", "0.9")
    assert everything(vendor).keys() == {"vendor.toml"}


def test_a_line_that_is_not_there_is_named_with_the_nearest(vendor: Path, tmp_path: Path) -> None:
    before = everything(vendor)

    with pytest.raises(ReleaseNotFound, match=r"mine@1\.1.*did you mean mine@1\.0"):
        remove_line(vendor, "mine", "1.1")
    with pytest.raises(ReleaseNotFound):
        remove_line(tmp_path / "nowhere", "mine", "1.0")

    assert everything(vendor) == before
    assert not (tmp_path / "nowhere").exists()


def test_a_record_that_names_another_folder_does_not_remove_it(
    vendor: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    (vendor / "mine" / "1.0").rename(other)
    text = (vendor / "vendor.toml").read_text()
    (vendor / "vendor.toml").write_text(text.replace('root = "mine/1.0"', f'root = "{other}"'))

    remove_line(vendor, "mine", "1.0")

    assert everything(other).keys() == {*OLD, "SHA256SUMS"}


def test_a_line_whose_files_are_gone_is_removed_all_the_same(vendor: Path) -> None:
    shutil.rmtree(vendor / "mine" / "1.0")

    assert remove_line(vendor, "mine", "1.0").name == "mine@1.0"
    assert [one.line for one in read_folder(vendor, origin="")] == ["0.9"]


def test_what_we_have_not_written_is_not_replaced(tmp_path: Path) -> None:
    place = tmp_path / "mine" / "1.0"
    place.mkdir(parents=True)
    (place / "thesis.txt").write_text("precious")

    with pytest.raises(SchemaError, match="is no release: it has no SHA256SUMS; move it away"):
        write_line(tmp_path, release(), OLD)

    assert (place / "thesis.txt").read_text() == "precious"
    assert read_folder(tmp_path, origin="") == []


def test_a_link_is_not_replaced(vendor: Path, tmp_path: Path) -> None:
    (vendor / "mine" / "1.0").rename(tmp_path / "elsewhere")
    (vendor / "mine" / "1.0").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(SchemaError, match="is a symbolic link"):
        write_line(vendor, release(), NEW)

    assert (tmp_path / "elsewhere" / "a.proto").is_file()
    assert not list(vendor.glob("mine/.*"))


def test_a_first_line_that_cannot_be_recorded_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toolkit.schema.vendoring.writing.replace_file", full)
    with pytest.raises(OSError, match="No space"):
        write_line(tmp_path, release(), OLD)

    assert everything(tmp_path) == {}


def test_a_file_is_no_folder_for_releases(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(SchemaError, match="file is a file; wanted a folder for releases"):
        write_line(tmp_path / "file", release(), OLD)


def test_names_of_others_that_need_quotes_keep_them(vendor: Path) -> None:
    text = (vendor / "vendor.toml").read_text()
    other = '["my project"."1"]\ntag = "x"\nroot = "elsewhere"\n'
    (vendor / "vendor.toml").write_text(text + "\n" + other)

    write_line(vendor, release("2.0"), NEW)

    names = [one.name for one in read_folder(vendor, origin="")]
    assert names == ["mine@0.9", "mine@1.0", "mine@2.0", "my project@1"]


def test_the_folder_of_words_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="no project can be called 'docs'"):
        write_line(tmp_path, release()._replace(project="docs"), OLD)


def test_a_reader_beside_a_writer_gets_one_whole_line_or_the_other(vendor: Path) -> None:
    writing = threading.Event()

    def write() -> None:
        for number in range(40):
            write_line(vendor, release(tag=f"v1.0.{number}"), NEW if number % 2 else OLD)
        writing.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not writing.is_set():
        source = VendoredSource(recorded(vendor)._replace(origin=str(vendor)))
        names = {read_name(data) for data in source.files()}
        seen.add(frozenset(names))
    thread.join()

    assert seen <= {frozenset(OLD), frozenset(NEW)}
