"""Descriptors are found among anything, and nothing else is taken for one."""

from __future__ import annotations

import functools
import gzip
import itertools
import tracemalloc
import zlib
from typing import TYPE_CHECKING, NamedTuple

import pytest
from google.protobuf.descriptor_pb2 import Edition, FileDescriptorProto
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import SchemaError
from toolkit.schema import scan as module
from toolkit.schema.releases import Release, find_release, releases
from toolkit.schema.scan import Found, scan
from toolkit.schema.sources import VendoredSource

if TYPE_CHECKING:
    from collections.abc import Callable

    Store = Callable[[bytes], bytes]

MAGIC = b"\x1f\x8b\x08"
# Looks like a descriptor as long as it is not parsed, whichever of its ends is taken.
FAKE = b"\n\x07a.proto" + b"\x22\x01\xff" * 9 + b"\0"


@functools.cache
def files_of(release: Release) -> list[bytes]:
    return VendoredSource(release).files()


def one_file() -> bytes:
    """A small descriptor of a real release."""
    return files_of(find_release("nri@0.12"))[0]


def made(
    name: str = "a.proto", package: str = "a", message: str = "A", syntax: str = "proto3"
) -> bytes:
    file = FileDescriptorProto(name=name, package=package)
    file.message_type.add(name=message)
    if syntax != "proto2":  # which compilers leave out
        file.syntax = syntax
    if syntax == "editions":
        file.edition = Edition.EDITION_2023
    return file.SerializeToString()


def zipped(data: bytes, level: int = 9) -> bytes:
    return gzip.compress(data, level, mtime=0)


def field(number: int, data: bytes) -> bytes:
    size, length = len(data), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + data


def contents(data: bytes) -> list[bytes]:
    return [one.data for one in scan(data)]


# What is found


class Piece(NamedTuple):
    file: bytes
    kind: str
    noise: bytes  # between it and what comes before

    @property
    def stored(self) -> bytes:
        return zipped(self.file) if self.kind == "gzip" else self.file


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    files = files_of(draw(st.sampled_from(releases())))
    chosen = draw(st.lists(st.sampled_from(files), unique=True, max_size=8))
    # A zero is no tag: what follows a descriptor at once may be one more field of it.
    noise = st.binary(max_size=40).map(lambda data: b"\0" + data)
    kind = st.sampled_from(["raw", "gzip"])
    return [Piece(file, draw(kind), draw(noise)) for file in chosen]


@given(parts=pieces(), end=st.binary(max_size=40))
@settings(max_examples=40, deadline=None)
def test_files_of_a_release_are_found_where_they_are_and_nothing_else(
    parts: list[Piece], end: bytes
) -> None:
    data, wanted = b"", []
    for part in parts:
        data += part.noise
        wanted.append(Found(part.file, len(data), part.kind))
        data += part.stored

    found = scan(data + b"\0" + end)

    assert found == sorted(wanted, key=lambda one: (one.kind != "gzip", one.offset))


@pytest.mark.parametrize("release", releases(), ids=lambda release: release.name)
def test_files_of_a_release_are_told_apart_where_nothing_is_between(release: Release) -> None:
    files = files_of(release)
    offsets = [0, *itertools.accumulate(len(file) for file in files)]

    found = scan(b"".join(files))

    assert [one.data for one in found] == files
    assert [one.offset for one in found] == offsets[:-1]


def test_compressed_files_of_a_release_are_told_apart_where_nothing_is_between() -> None:
    files = files_of(find_release("containerd@1.6"))

    found = scan(b"".join(zipped(file) for file in files))

    assert [one.data for one in found] == files


@given(st.binary(max_size=2000))
def test_noise_holds_nothing(data: bytes) -> None:
    assert scan(data) == []


@pytest.mark.parametrize("syntax", ["proto2", "proto3", "editions"])
@pytest.mark.parametrize("store", [bytes, zipped])
def test_every_syntax_is_found(syntax: str, store: Store) -> None:
    file = made(syntax=syntax)

    assert contents(b"\xff" + store(file) + b"\0") == [file]


@pytest.mark.parametrize("store", [bytes, zipped])
def test_a_name_may_be_as_long_as_a_file_s(store: Store) -> None:
    # Of 10 and 13 bytes: their length looks like a line's end.
    for length in range(7, 256):
        file = made("x" * (length - len(".proto")) + ".proto")

        assert contents(b"\0" + store(file) + b"\0") == [file], length


@pytest.mark.parametrize(
    "name",
    [
        "a.proto/b.proto",
        "x.proto.proto",
        "x.protobuf/a.proto",
        "github.com/a+b/c@v1.2/d_e-f.proto",
        "../up.proto",
    ],
)
def test_a_name_may_have_whatever_paths_have(name: str) -> None:
    file = made(name)

    assert contents(b"\n\n" + file + b"\0") == [file]


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_any_level_of_compression_is_found(level: int) -> None:
    file = one_file()

    found = scan(b"\0" + zipped(file, level) + b"\0")

    assert found[0] == Found(file, 1, "gzip")


def test_a_name_in_the_gzip_header_is_skipped() -> None:
    header = MAGIC + b"\x08" + bytes(6) + b"a.pb.gz\0"  # FNAME

    assert contents(header + zipped(one_file())[10:]) == [one_file()]


def test_a_descriptor_that_ends_the_data_is_found() -> None:
    assert contents(b"\0" + made()) == [made()]


def test_the_same_file_twice_is_found_twice() -> None:
    assert [one.offset for one in scan(made() * 2)] == [0, len(made())]


# What follows at once


@pytest.mark.parametrize(
    ("syntax", "following"),
    [
        ("proto2", field(12, b"pro")),  # a syntax that there is not
        ("proto2", field(8, b"\xff")),  # options that do not parse
        ("proto2", field(9, b"\x0a")),  # nor does this source info
        ("proto3", field(12, b"proto3")),  # a second one
        ("proto3", field(12, b"proto3") * 20),
        ("proto3", field(1, b"b.c")),  # out of order
        ("proto3", field(13, b"x")),  # no field of a file's
        ("proto3", b"\x70"),  # an edition that the data ends in
        ("proto3", b"\x72\x01\x01"),  # an edition of another wire type
        ("editions", field(12, b"editions")),
        ("editions", b"\x70\xe8\x07"),  # a second edition
        ("editions", field(15, b"x" * 300)[:-1]),  # longer than what is left
        pytest.param("proto2", b"\x50\x41"),
        pytest.param("proto2", b"\x58\x61"),
        pytest.param("proto3", b"\x70\x61"),
        pytest.param("proto3", b"\x70\xe8\x07"),  # an edition that there is
        pytest.param("proto3", b"\x7a\x01a"),
    ],
)
def test_what_follows_a_descriptor_and_looks_like_one_more_field_is_not_taken(
    syntax: str, following: bytes
) -> None:
    file = made(syntax=syntax)

    assert contents(file + following) == [file]


def test_many_fields_that_follow_are_not_taken() -> None:
    file = made(syntax="proto2")

    assert contents(file + field(6, b"\xff") * 4 + field(7, b"\xff") * 3) == [file]


@pytest.mark.parametrize("syntax", ["proto2", "proto3", "editions"])
def test_another_descriptor_that_follows_is_one_of_its_own(syntax: str) -> None:
    file, other = made(syntax=syntax), made("b.proto")

    assert contents(file + other + b"\0") == [file, other]


def test_a_descriptor_within_a_descriptor_is_none_of_its_own() -> None:
    file = FileDescriptorProto.FromString(made())
    file.options.MergeFromString(b"\xca\xe1\x1e" + field(1, made("inner.proto"))[1:])  # 63001

    assert contents(file.SerializeToString() + b"\0") == [file.SerializeToString()]


# What only looks like one


@pytest.mark.parametrize(
    "data",
    [
        b'import "a/b.proto";\n// see x.proto\n',
        b"Foo.prototype.bar = function () {};\n.prototype",
        b"\n\x06.proto" + field(2, b"a"),  # nothing before the suffix
        b"\n\x08a.proto" + field(2, b"a"),  # longer than the name
        b"\n\x06a.proto" + field(2, b"a"),  # shorter
        b"\n\x87\x00a.proto" + field(2, b"a"),  # a length that nobody writes so
        b"\x12\x07a.proto" + field(2, b"a"),  # of another field
        field(1, b"a b.proto") + field(2, b"a"),
        field(1, b"a\nb.proto") + field(2, b"a"),
        field(1, b"a\0.proto") + field(2, b"a"),
        field(1, "\u00e9.proto".encode()) + field(2, b"a"),
        field(1, b"a\\b.proto") + field(2, b"a"),
        field(1, b"a.PROTO") + field(2, b"a"),
        field(1, b"a.protos") + field(2, b"a"),
        field(1, b"x" * 250 + b".proto") + field(2, b"a"),  # 256 bytes
        field(1, b"x" * 20_000 + b".proto") + field(2, b"a"),  # a length of three bytes
    ],
)
def test_what_has_no_name_of_a_file_is_none(data: bytes) -> None:
    assert scan(data) == []


@pytest.mark.parametrize(
    "data",
    [
        b"x\n/usr/include/google/protobuf/wrappers_lite.proto\n",  # 47 bytes behind the first /
        b"\x01\n\x07a.proto\0",
    ],
    ids=["lines of text", "chance"],
)
def test_a_name_alone_is_none(data: bytes) -> None:
    assert scan(data) == []


@pytest.mark.parametrize("package", [b"a b", b"1a", b"a..b", b".a", b"a.", b"a-b"])
def test_what_is_no_package_is_not_taken_for_one(package: bytes) -> None:
    data = field(1, b"a.proto") + field(2, package) + field(12, b"proto3")

    assert data not in contents(data)
    assert contents(zipped(data)) == []


@pytest.mark.parametrize("store", [bytes, zipped])
def test_a_package_that_is_no_text_is_not_taken_for_one(store: Store) -> None:
    data = field(1, b"a.proto") + field(2, b"\xff") + field(12, b"proto3")

    assert data not in contents(store(data))


@pytest.mark.parametrize("depth", [100, 10_000])
def test_what_is_nested_too_deep_is_not_taken(depth: int) -> None:
    message = b""
    for _ in range(depth):
        message = field(3, message)
    deep = field(1, b"a.proto") + field(2, b"a") + field(4, message)

    assert deep not in contents(deep)
    assert contents(zipped(deep)) == []


# gzip


def with_flags(flags: int) -> bytes:
    return MAGIC + bytes([flags]) + zipped(made())[4:]


@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(with_flags(flags), id=f"flags {flags:#x}") for flags in (0x20, 0x40, 0x80)),
        pytest.param(MAGIC, id="only its magic number"),
        pytest.param(zipped(made())[:-1], id="cut short by a byte"),
        pytest.param(zipped(made())[:-9], id="cut short in its content"),
        pytest.param(zipped(made())[:-8] + bytes(8), id="a wrong checksum"),
        pytest.param(zipped(made())[:-4] + bytes(4), id="a wrong length"),
        pytest.param(zipped(b""), id="of nothing"),
        pytest.param(zipped(field(1, b"a.proto")), id="of a name alone"),
        pytest.param(zipped(b"package main // x.proto\n" * 50), id="of text"),
        pytest.param(zipped(made()[1:]), id="of what begins with no name"),
        pytest.param(zipped(made() + b"\0"), id="of more than a descriptor"),
        pytest.param(zipped(made() + made()), id="of two descriptors"),
        pytest.param(zipped(made()[:-1]), id="of a part of a descriptor"),
        pytest.param(zlib.compress(made()), id="zlib instead"),
    ],
)
def test_what_is_no_compressed_descriptor_is_none(data: bytes) -> None:
    assert scan(data + b"\xff") == []


@pytest.mark.parametrize("damage", [MAGIC, zipped(made())[:-9], MAGIC * 3])
def test_what_follows_a_damaged_one_is_found(damage: bytes) -> None:
    assert contents(damage + zipped(made()) + b"\0") == [made()]


def bomb(size: int) -> bytes:
    """Compressed; begins like a descriptor, and goes on with zeros."""
    block = bytes(1 << 20)
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(made()), *(packer.compress(block) for _ in range(size >> 20))]
    return b"".join([*parts, packer.flush()])


def test_what_inflates_without_end_is_refused_before_it_fills_the_memory() -> None:
    data = bomb(200 << 20) + zipped(made("b.proto"))
    tracemalloc.start()

    try:
        found = contents(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found == [made("b.proto")]
    assert peak < 32 << 20


# Limits


@pytest.mark.parametrize(
    "fake",
    [MAGIC + b"\0", zipped(made() + b"\0"), FAKE, b"\n" * 50 + b".proto"],
    ids=["magic number", "compressed", "raw", "begins of names"],
)
def test_an_input_that_looks_like_descriptors_everywhere_is_given_up(
    monkeypatch: pytest.MonkeyPatch, fake: bytes
) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 500)

    with pytest.raises(SchemaError, match="hard to search"):
        scan(fake * 200_000)


def test_what_looks_like_a_descriptor_now_and_then_is_no_hindrance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_ATTEMPTS", 4)

    assert contents((MAGIC + b"\0") * 2 + FAKE * 2 + made()) == [made()]


def test_long_walks_for_nothing_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WASTE", 1000)
    fake = FAKE.removesuffix(b"\0") + b"\x2a\x01\xff" * 100

    with pytest.raises(SchemaError, match="hard to search"):
        scan((fake + b"\0") * 4)


def test_what_inflates_to_nothing_of_use_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WASTE", 10_000)

    with pytest.raises(SchemaError, match="hard to search"):
        scan(zipped(made() + bytes(10_000)))


def test_what_inflates_beyond_the_limit_counts_as_waste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WASTE", 4 << 20)

    with pytest.raises(SchemaError, match="hard to search"):
        scan(bomb(16 << 20))


@pytest.mark.parametrize("data", [MAGIC + b"\0", FAKE, made(), zipped(made())])
def test_a_search_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(module, "MAX_SECONDS", -1.0)

    with pytest.raises(SchemaError, match="hard to search"):
        scan(data)


@pytest.mark.parametrize("store", [bytes, zipped])
def test_the_number_of_fields_is_limited(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    data = made()  # of four
    monkeypatch.setattr(module, "MAX_FIELDS", 4)
    assert contents(store(data)) == [data]
    monkeypatch.setattr(module, "MAX_FIELDS", 3)

    assert data not in contents(store(data))


@pytest.mark.parametrize("store", [bytes, zipped])
def test_the_number_of_files_is_limited(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    data = b"".join(store(made(f"{letter}.proto")) for letter in "abc")
    monkeypatch.setattr(module, "MAX_FILES", 3)
    assert len(scan(data)) == 3
    monkeypatch.setattr(module, "MAX_FILES", 2)

    with pytest.raises(SchemaError, match="more than 2 descriptors"):
        scan(data)


@pytest.mark.parametrize("store", [bytes, zipped])
def test_the_size_of_all_files_is_limited(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    data = store(made()) * 3
    monkeypatch.setattr(module, "MAX_TOTAL", len(made()) * 3)
    assert len(scan(data)) == 3
    monkeypatch.setattr(module, "MAX_TOTAL", len(made()) * 3 - 1)

    with pytest.raises(SchemaError, match="MiB of them"):
        scan(data)


def test_both_kinds_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILES", 1)

    with pytest.raises(SchemaError, match="more than 1 descriptors"):
        scan(made() + zipped(made()))


def test_the_size_of_one_compressed_file_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped(made())
    monkeypatch.setattr(module, "MAX_DESCRIPTOR", len(made()) - 1)

    assert scan(data) == []


def test_a_file_of_more_fields_than_any_has_is_not_cut_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_FIELDS", 100)
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    for number in range(101):
        file.message_type.add(name=f"M{number}")

    assert scan(file.SerializeToString()) == []
