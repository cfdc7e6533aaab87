"""What Go programs say of their builds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from toolkit.shim.finding.gobuild import GoBuild, Versions, go_build

if TYPE_CHECKING:
    from pathlib import Path

TEXT = (
    "path\tgithub.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2\n"
    "mod\tgithub.com/containerd/containerd/v2\tv2.4.2\th1:abc=\n"
    "dep\tgithub.com/containerd/ttrpc\tv1.2.10\th1:def=\n"
    "build\t-compiler=gc\n"
)


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def string(data: bytes) -> bytes:
    return varint(len(data)) + data


def binary(text: str = TEXT, *, flags: int = 2, before: bytes = b"\x7fELF" + b"\0" * 60) -> bytes:
    header = b"\xff Go buildinf:\x08" + bytes([flags])
    around = b"0123456789abcdef"
    strings = string(b"go1.26.8") + string(around + text.encode() + around)
    return before + header.ljust(32, b"\0") + strings + b"\0" * 100


def test_the_version_of_a_program_and_of_its_ttrpc_are_told(tmp_path: Path) -> None:
    (tmp_path / "shim").write_bytes(binary())

    assert go_build(str(tmp_path / "shim")) == GoBuild("go1.26.8", "v2.4.2", "v1.2.10")


def test_a_build_of_a_folder_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "shim").write_bytes(binary(TEXT.replace("v2.4.2", "(devel)")))

    assert go_build(str(tmp_path / "shim")) == GoBuild("go1.26.8", "", "v1.2.10")


def test_the_magic_in_the_code_that_looks_for_it_is_passed_over(tmp_path: Path) -> None:
    before = (b"\x7fELF\0\xff Go buildinf:" + b"\0" * 64)[:64]
    (tmp_path / "shim").write_bytes(binary(before=before))

    found = go_build(str(tmp_path / "shim"))

    assert found is not None
    assert found.version == "v2.4.2"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"#!/bin/sh\n",
        b"\xff Go buildinf:",
        binary(flags=0),  # Go before 1.18: pointers
        *(binary()[:length] for length in range(64, 110, 5)),
    ],
)
def test_what_is_no_such_program_says_nothing(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file").write_bytes(data)

    found = go_build(str(tmp_path / "file"))

    assert found is None or not found.version


def test_a_length_beyond_the_end_says_nothing(tmp_path: Path) -> None:
    header = b"\xff Go buildinf:\x08\x02".ljust(32, b"\0")
    (tmp_path / "shim").write_bytes(header + b"\xff\xff\xff\xff\x7f" + b"x" * 50)

    assert go_build(str(tmp_path / "shim")) == GoBuild("", "", "")


@pytest.mark.parametrize("path", ["/none", "/", "/dev/null", sys.executable])
def test_files_of_every_kind_are_looked_at(path: str) -> None:
    assert go_build(path) is None


def test_a_program_is_looked_at_once(tmp_path: Path) -> None:
    path = tmp_path / "shim"
    path.write_bytes(binary())
    versions = Versions()

    first = versions.of(None, str(path))
    path.write_bytes(binary(TEXT.replace("v2.4.2", "v9.9.9")))  # the same inode

    assert (first, versions.of(None, str(path))) == ("v2.4.2", "v2.4.2")
    assert versions.of(None, "/none") == ""
