"""File descriptors read on their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import SchemaError
from toolkit.schema.files import join_set, read_file, split_set

if TYPE_CHECKING:
    from collections.abc import Sequence


def file(name: str, imports: Sequence[str] = (), **fields: object) -> FileDescriptorProto:
    return FileDescriptorProto(name=name, dependency=imports, **fields)  # type: ignore[arg-type]


def test_a_set_splits_into_the_bytes_of_its_files() -> None:
    files = [file("a.proto"), file("b.proto", ["a.proto"])]

    parts = split_set(FileDescriptorSet(file=files).SerializeToString())

    assert [FileDescriptorProto.FromString(part) for part in parts] == files


@given(st.lists(st.binary(max_size=300)))
def test_joining_undoes_splitting(parts: list[bytes]) -> None:
    assert split_set(join_set(parts)) == parts


def test_source_info_is_set_apart_and_fits_on_again() -> None:
    whole = file("a.proto", package="p")
    whole.source_code_info.location.add(path=[4, 0], span=[1, 2, 3], leading_comments=" hi")

    read = read_file(whole.SerializeToString())

    assert FileDescriptorProto.FromString(read.data) == file("a.proto", package="p")
    assert FileDescriptorProto.FromString(read.data + read.source_info) == whole


def test_weak_imports_are_known_by_name() -> None:
    read = read_file(
        file("a.proto", ["b.proto", "c.proto"], weak_dependency=[1]).SerializeToString()
    )

    assert read.imports == ("b.proto", "c.proto")
    assert read.weak == {"c.proto"}


def test_dropping_an_import_counts_the_public_and_weak_ones_anew() -> None:
    whole = file(
        "a.proto",
        ["gone.proto", "public.proto", "weak.proto"],
        weak_dependency=[0, 2],
        public_dependency=[1],
        package="p",
    )

    read = read_file(whole.SerializeToString()).without_imports(["gone.proto"])

    assert FileDescriptorProto.FromString(read.data) == file(
        "a.proto",
        ["public.proto", "weak.proto"],
        weak_dependency=[1],
        public_dependency=[0],
        package="p",
    )
    assert read.imports == ("public.proto", "weak.proto")
    assert read.weak == {"weak.proto"}


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05ab", b"\x0f", b"\x80" * 11, b"\x00\x01", b"\x0d\x00", b"\x0a\x01\xff"],
    ids=[
        "no length",
        "cut short",
        "wire type 7",
        "endless number",
        "field 0",
        "half a word",
        "text",
    ],
)
def test_what_is_no_file_descriptor_is_a_schema_error(data: bytes) -> None:
    with pytest.raises(SchemaError, match="file descriptor"):
        read_file(data)


@given(st.binary(max_size=200))
def test_garbage_reads_or_is_a_schema_error(data: bytes) -> None:
    try:
        read = read_file(data)
    except SchemaError:
        return
    assert len(read.data) + len(read.source_info) == len(data)
