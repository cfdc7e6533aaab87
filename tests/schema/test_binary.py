"""The schema in an executable: what is found, what is remembered, and what is no executable."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import logging
import os
import random
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import toolkit
from toolkit.errors import NoSchema, SchemaError, SourceNotFound
from toolkit.schema import binary, scan
from toolkit.schema.binary import BinarySource, Embedded, binary_source
from toolkit.schema.cache import store_entries
from toolkit.schema.compare import differences
from toolkit.schema.releases import find_release
from toolkit.schema.sources import VendoredSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOBODY = 65534


@functools.cache
def files_of(release: str) -> list[bytes]:
    return VendoredSource(find_release(release)).files()


def executable(*descriptors: bytes) -> bytes:
    """Like one as far as anybody looks: noise, and what it carries."""
    noise = random.Random(0)
    parts = [b"\x7fELF" + noise.randbytes(1000)]
    for data in descriptors:
        parts += [b"\0" * noise.randint(1, 32), data, b"\0", noise.randbytes(100)]
    return b"".join(parts)


def made(name: str, message: str, imports: tuple[str, ...] = (), uses: str = "") -> bytes:
    file = FileDescriptorProto(name=name, package="p", dependency=imports, syntax="proto3")
    declared = file.message_type.add(name=message)
    if uses:
        declared.field.add(name="f", number=1, label=1, type=11, type_name=uses)
    return file.SerializeToString()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


A = made("a.proto", "A")
B = made("b.proto", "B")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An executable with one small file."""
    found = tmp_path / "program"
    found.write_bytes(executable(A))
    return found


@pytest.fixture
def entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a cache with nothing in it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "ttrpc-toolkit"


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what has been searched."""
    sizes: list[int] = []
    real: Callable[[bytes], list[scan.Found]] = scan.scan

    def counted(data: bytes) -> list[scan.Found]:
        sizes.append(len(data))
        return real(data)

    monkeypatch.setattr(scan, "scan", counted)
    return sizes


def names(files: list[bytes]) -> list[str]:
    return [FileDescriptorProto.FromString(data).name for data in files]


# What is found


@pytest.mark.parametrize("store", [bytes, zipped])
@pytest.mark.parametrize("release", ["containerd@1.6", "containerd@2.3", "kata@4.1", "nri@0.12"])
def test_a_program_loads_as_the_release_that_it_carries(
    release: str, store: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "program"
    path.write_bytes(executable(*(store(data) for data in reversed(files_of(release)))))

    schema = toolkit.load(f"binary:{path}")

    assert differences(toolkit.load(release), schema) == []
    assert schema.release is None
    assert all(one.used for one in BinarySource(str(path)).report())


def test_the_schema_is_called_as_it_was_asked_for(path: Path) -> None:
    path.write_bytes(executable(made("called.proto", "Called")))

    assert toolkit.load(f"binary:{path}").name == f"binary:{path}"


def test_the_same_content_is_the_same_schema(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"something before" + path.read_bytes())

    assert toolkit.load(f"binary:{path}") is toolkit.load(f"binary:{other}")


def test_a_path_may_have_a_colon_and_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a: b.proto"
    path.write_bytes(executable(A))

    assert "p.A" in toolkit.load(f"binary:{path}").symbols()


def test_a_relative_path_is_one_from_here(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)

    assert "p.A" in toolkit.load("binary:program").symbols()


def test_the_report_tells_of_each_file_by_offset(tmp_path: Path) -> None:
    bad = made("bad.proto", "Bad", ("gone.proto",), ".gone.G")
    other = made("a.proto", "Other")
    data = executable(zipped(bad), A, zipped(other), zipped(A))
    path = tmp_path / "program"
    path.write_bytes(data)

    report = BinarySource(str(path)).report()

    why = "couldn't resolve name '.gone.G' (without the import of gone.proto)"
    assert report == [
        Embedded("bad.proto", data.index(zipped(bad)), "gzip", len(bad), False, why),
        Embedded("a.proto", data.index(A), "raw", len(A), True, ""),
        Embedded(
            "a.proto",
            data.index(zipped(other)),
            "gzip",
            len(other),
            False,
            "another a.proto came first",
        ),
        Embedded("a.proto", data.index(zipped(A)), "gzip", len(A), True, ""),
    ]


def test_of_two_versions_of_a_file_the_one_that_says_more_counts(tmp_path: Path) -> None:
    more = made("a.proto", "Longer", (), ".p.Longer")
    path = tmp_path / "program"
    path.write_bytes(executable(A, more))

    assert BinarySource(str(path)).files() == [more]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (
            Embedded("a.proto", 0x1234, "raw", 56, True, ""),
            "0x00001234  raw       56 bytes  a.proto",
        ),
        (
            Embedded("a.proto", 0, "gzip", 123_456, True, "called b.proto, as is another one"),
            "0x00000000  gzip  123456 bytes  a.proto: called b.proto, as is another one",
        ),
        (
            Embedded("a.proto", 0x10_0000_0000, "gzip", 1, False, "why"),
            "0x1000000000  gzip       1 bytes  a.proto left out: why",
        ),
    ],
)
def test_a_line_of_the_report_reads_well(one: Embedded, text: str) -> None:
    assert str(one) == text


# What is remembered


@pytest.mark.usefixtures("entries")
def test_what_was_searched_once_is_remembered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = BinarySource(str(path))
    files, report = first.files(), first.report()
    monkeypatch.setattr(scan, "scan", None)

    second = BinarySource(str(path))

    assert (second.files(), second.report()) == (files, report)


@pytest.mark.usefixtures("entries")
def test_that_there_is_nothing_is_remembered(path: Path, scans: list[int]) -> None:
    path.write_bytes(executable())

    for _ in range(2):
        with pytest.raises(NoSchema):
            toolkit.load(f"binary:{path}")

    assert len(scans) == 1


@pytest.mark.usefixtures("entries")
def test_one_source_looks_once(path: Path, scans: list[int]) -> None:
    source = BinarySource(str(path))
    source.report()
    path.unlink()

    assert source.files() == [A]
    assert len(scans) == 1


@pytest.mark.usefixtures("entries")
def test_a_link_to_a_file_is_the_same_file(path: Path, scans: list[int]) -> None:
    link = path.with_name("link")
    link.symlink_to(path)

    assert BinarySource(str(link)).files() == BinarySource(str(path)).files()
    assert len(scans) == 1


def rewrite(path: Path, data: bytes) -> None:
    """Another content in the same file, of the same size and the same time of change."""
    before = path.stat()
    assert len(data) == before.st_size
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the kernel's clock has a coarse tick
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.usefixtures("entries")
def test_a_changed_file_is_searched_again(path: Path, scans: list[int]) -> None:
    BinarySource(str(path)).read()
    rewrite(path, executable(B))

    assert names(BinarySource(str(path)).files()) == ["b.proto"]
    assert len(scans) == 2


@pytest.mark.parametrize("differs", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_a_file_is_another_one_if_anything_of_it_differs(differs: str, path: Path) -> None:
    status = path.stat()
    names = ("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
    same: Any = SimpleNamespace(**{name: getattr(status, name) for name in names})
    other: Any = SimpleNamespace(**vars(same) | {differs: getattr(status, differs) + 1})

    assert binary._identity(same) == binary._identity(status)
    assert binary._identity(other) != binary._identity(status)


@pytest.mark.usefixtures("entries")
def test_a_replaced_file_is_searched_again(path: Path, scans: list[int]) -> None:
    BinarySource(str(path)).read()
    new = path.with_name("new")
    new.write_bytes(executable(B))
    shutil.copystat(path, new)
    new.replace(path)

    assert names(BinarySource(str(path)).files()) == ["b.proto"]
    assert len(scans) == 2


@pytest.mark.usefixtures("entries")
def test_what_would_push_out_all_else_is_not_remembered(
    path: Path, scans: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binary, "_REMEMBERED", len(A))

    for _ in range(2):
        assert BinarySource(str(path)).files() == [A]

    assert len(scans) == 2


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda data: b"\xff" * len(data),
    "cut short": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_entry_is_made_anew(
    path: Path,
    entries: Path,
    scans: list[int],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[bytes], bytes],
) -> None:
    first = BinarySource(str(path)).report()
    (entry,) = entries.iterdir()
    entry.write_bytes(damage(entry.read_bytes()))

    assert BinarySource(str(path)).report() == first
    assert BinarySource(str(path)).report() == first
    assert len(scans) == 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"\x0a\x00",
        b"\x0a\x02{}]",
        b"\x0a\x01{",
        b"\x0a\x01\xff",
        b"\x0a\x011",
        b'\x0a\x07["a.b"]',
        b"\x0a\x03[1]",
    ],
)
def test_a_sound_entry_that_makes_no_sense_is_made_anew(
    path: Path, entries: Path, scans: list[int], caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    first = BinarySource(str(path)).report()
    (entry,) = entries.iterdir()
    store_entries(entries, {entry.name: body})

    assert BinarySource(str(path)).report() == first
    assert len(scans) == 2
    assert "makes no sense" in caplog.text


def test_no_cache_is_no_hindrance(path: Path, entries: Path, scans: list[int]) -> None:
    entries.parent.write_text("no folder")

    for _ in range(2):
        assert BinarySource(str(path)).files() == [A]

    assert len(scans) == 2


# What has none


@pytest.mark.parametrize("data", [b"", executable(), b"x.proto"], ids=["empty", "noise", "text"])
def test_a_file_without_descriptors_has_no_schema(data: bytes, path: Path) -> None:
    path.write_bytes(data)

    with pytest.raises(NoSchema, match=rf"^binary:{path}: no descriptors in it; .* Rust"):
        toolkit.load(f"binary:{path}")

    assert BinarySource(str(path)).report() == []


def test_descriptors_of_which_none_links_are_no_schema_but_told_of(path: Path) -> None:
    path.write_bytes(executable(made("a.proto", "A", (), ".gone.G")))

    with pytest.raises(NoSchema):
        BinarySource(str(path)).files()

    assert [one.used for one in BinarySource(str(path)).report()] == [False]


@pytest.mark.parametrize("name", ["no", "no/such"])
def test_a_missing_file_is_not_found(name: str, tmp_path: Path) -> None:
    missing = f"{tmp_path}/{name}"

    with pytest.raises(SourceNotFound) as caught:
        toolkit.load(f"binary:{missing}")

    assert caught.value.name == missing


def test_what_is_below_a_file_cannot_be_read(path: Path) -> None:
    with pytest.raises(SchemaError, match=rf"^binary:{path}/x: cannot be read: Not a directory$"):
        toolkit.load(f"binary:{path}/x")


def test_a_pipe_that_nobody_writes_to_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(SchemaError, match=rf"^binary:{pipe}: it is no regular file$"):
        toolkit.load(f"binary:{pipe}")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file(device: str) -> None:
    with pytest.raises(SchemaError, match=f"^binary:{device}: it is no regular file$"):
        toolkit.load(f"binary:{device}")


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=rf"^binary:{tmp_path}: .*(irectory|regular)"):
        toolkit.load(f"binary:{tmp_path}")


def test_a_directory_costs_no_descriptor(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  # their numbers

    with pytest.raises(SchemaError):
        toolkit.load(f"binary:{tmp_path}")

    try:
        assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
    finally:
        for left in set(os.listdir("/proc/self/fd")) - set(before):  # noqa: PTH208
            with contextlib.suppress(OSError):
                os.close(int(left))


def test_too_large_a_file_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    monkeypatch.setattr(binary, "MAX_SIZE", size)
    assert BinarySource(str(path)).files() == [A]
    monkeypatch.setattr(binary, "MAX_SIZE", size - 1)

    with pytest.raises(SchemaError, match=f": {size} bytes; no more than {size - 1} are searched"):
        toolkit.load(f"binary:{path}")


CHANGES: dict[str, Callable[[Path], object]] = {
    "grows": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "shrinks": lambda path: os.truncate(path, 10),
    "is emptied": lambda path: os.truncate(path, 0),
    "becomes another": lambda path: rewrite(path, executable(B)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_changes_while_it_is_read_is_refused(
    path: Path,
    entries: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], object],
) -> None:
    def changing() -> Path:  # asked for between the look at the file and its reading
        change(path)
        return entries

    monkeypatch.setattr(binary, "cache_folder", changing)

    with pytest.raises(SchemaError, match="it changed while it was read; try again"):
        toolkit.load(f"binary:{path}")

    assert not entries.exists()


def test_a_file_that_tells_another_size_than_it_has_is_refused() -> None:
    with pytest.raises(SchemaError, match="it changed while it was read"):
        toolkit.load("binary:/proc/self/status")  # of 0 bytes, it says


def test_a_file_that_comes_in_pieces_is_read_whole() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    assert binary._read(Slow(b"12345678"), 20) == b"12345678"
    assert binary._read(Slow(b"12345678"), 7) == b"1234567"


def test_what_is_made_to_be_hard_to_search_is_said_by_name(
    path: Path, entries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MAX_FILES", 0)

    with pytest.raises(SchemaError, match=rf"^binary:{path}: more than 0 descriptors"):
        toolkit.load(f"binary:{path}")

    assert not entries.exists()


# Words


@pytest.mark.parametrize("text", ["pid:", "pid:x", "pid:-1", "pid:1.0", "pid: 1", "pid:\u00b2"])
def test_what_is_no_number_of_a_process_is_said(text: str) -> None:
    with pytest.raises(SchemaError, match="^pid: wants the number of a process behind it, not '"):
        toolkit.load(text)


def test_binary_wants_a_path() -> None:
    with pytest.raises(SchemaError, match="^binary: wants the path of an executable behind it$"):
        toolkit.load("binary:")


@pytest.mark.parametrize(
    "text",
    [
        "containerd@2.3",
        "x/binary:y",
        "PID:1",
        "",
        pytest.param("binary"),
        pytest.param("pid"),
    ],
)
def test_any_other_text_is_no_binary(text: str) -> None:
    assert binary_source(text) is None


@pytest.mark.parametrize("text", ["binary:a\0b", "binary:\ud800", f"pid:{'9' * 5000}"])
def test_what_no_file_can_be_called_is_an_error_like_others(text: str) -> None:
    with pytest.raises(SchemaError):
        toolkit.load(text)


# Processes


@contextlib.contextmanager
def running(program: Path) -> Iterator[int]:
    process = subprocess.Popen([program, "60"], stdin=subprocess.DEVNULL)
    try:
        yield process.pid  # Popen returns once the program runs
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    """A real program that sleeps, with a file in it."""
    sleep = shutil.which("sleep")
    assert sleep is not None
    program = tmp_path / "sleeper"
    shutil.copy(sleep, program)
    with program.open("ab") as file:
        file.write(b"\0" + A)
    return program


def test_what_a_process_runs_is_found(sleeper: Path) -> None:
    with running(sleeper) as pid:
        source = BinarySource(f"/proc/{pid}/exe")

        assert source.files() == [A]
        assert "p.A" in toolkit.load(f"pid:{pid}").symbols()


def test_what_a_process_runs_is_found_after_it_was_deleted(sleeper: Path) -> None:
    with running(sleeper) as pid:
        sleeper.unlink()

        assert "p.A" in toolkit.load(f"pid:{pid}").symbols()


def test_what_a_process_runs_is_meant_and_not_what_has_replaced_it(sleeper: Path) -> None:
    with running(sleeper) as pid:
        new = sleeper.with_name("new")
        new.write_bytes(executable(B))
        new.replace(sleeper)

        assert "p.A" in toolkit.load(f"pid:{pid}").symbols()
        assert "p.B" in toolkit.load(f"binary:{sleeper}").symbols()


def test_a_process_is_called_by_its_number() -> None:
    source = binary_source(f"pid:0{os.getpid()}")

    assert source is not None
    assert source.name == f"pid:{os.getpid()}"
    assert os.path.samefile(source.path, sys.executable)  # noqa: PTH121  # as the source has it


def test_a_process_that_has_ended_is_said(sleeper: Path) -> None:
    with running(sleeper) as pid:
        pass

    with pytest.raises(SchemaError, match=f"^pid:{pid}: there is no such process"):
        toolkit.load(f"pid:{pid}")


def test_a_process_that_nobody_has_waited_for_runs_nothing() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    try:
        with pytest.raises(SchemaError, match="or it runs no program of a file"):
            toolkit.load(f"pid:{process.pid}")
    finally:
        process.wait()


# Rights


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Not as root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_may_not_be_read_is_said_so(path: Path) -> None:
    path.chmod(0)

    with (
        without_rights(),
        pytest.raises(SchemaError, match=rf"^binary:{path}: permission denied$"),
    ):
        toolkit.load(f"binary:{path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's process")
def test_another_user_s_process_takes_root(sleeper: Path) -> None:
    with (
        running(sleeper) as pid,
        without_rights(),
        pytest.raises(
            SchemaError, match=f"^pid:{pid}: permission denied; .* takes CAP_SYS_PTRACE$"
        ),
    ):
        toolkit.load(f"pid:{pid}")
