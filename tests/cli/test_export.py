"""``ttrpc export``: what is written is the same schema again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

import toolkit
from tests.cli.command import ttrpc
from toolkit.cli.output import write_file
from toolkit.schema.compare import digest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("release", ["containerd@1.6", "nri@0.12"])
def test_exported_protos_are_the_same_schema(release: str, tmp_path: Path) -> None:
    outcome = ttrpc("export", "-s", release, "--proto-dir", tmp_path / "out")

    again = toolkit.load(tmp_path / "out", roots=[tmp_path / "out"])
    assert digest(again) == digest(toolkit.load(release))
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert sorted(outcome.out.split()) == sorted(map(str, written))


def test_an_exported_descriptor_set_is_the_same_schema(tmp_path: Path) -> None:
    outcome = ttrpc("export", "-s", "containerd@2.3", "--descriptor-set", tmp_path / "x.binpb")

    assert outcome == (0, "", "")
    assert digest(toolkit.load(tmp_path / "x.binpb")) == digest(toolkit.load("containerd@2.3"))


def test_a_descriptor_set_goes_to_stdout_for_a_dash(tmp_path: Path) -> None:
    ttrpc("export", "-s", "nri@0.12", "--descriptor-set", tmp_path / "x.binpb")

    outcome = ttrpc("export", "-s", "nri@0.12", "--descriptor-set", "-")

    written = (tmp_path / "x.binpb").read_bytes()
    assert outcome.out.encode(errors="surrogateescape") == written


@pytest.mark.parametrize("flag", ["--proto-dir", "--descriptor-set"])
def test_a_place_that_cannot_be_written_is_named(flag: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = ttrpc("export", "-s", "nri@0.12", flag, tmp_path / "file" / "x")

    assert outcome.code == 1
    assert outcome.err.startswith("ttrpc: cannot write")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    write_file(str(path), b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    write_file(str(pipe), b"content")

    written = os.read(reader, 100)
    os.close(reader)
    assert written == b"content"
    assert pipe.is_fifo()


def test_a_failure_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "x.binpb"

    outcome = ttrpc("export", "-s", "nri@0.12", "--descriptor-set", path)

    assert outcome == (1, "", f"ttrpc: cannot write {path}: No such file or directory\n")


@pytest.mark.parametrize("name", ["../../escaped.proto", "/tmp/escaped.proto", "a/../b.proto"])
def test_a_binary_s_file_names_do_not_lead_out_of_the_folder(name: str, tmp_path: Path) -> None:
    program, folder = tmp_path / "program", tmp_path / "deep" / "er"
    file = FileDescriptorProto(name=name, package="a", syntax="proto3")
    program.write_bytes(b"\0\0" + file.SerializeToString() + b"\0\0")

    outcome = ttrpc("export", "-s", f"binary:{program}", "--proto-dir", folder)

    assert (outcome.code, outcome.out) == (1, "")
    assert f"{name!r} is no name for a file to write" in outcome.err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [program]
