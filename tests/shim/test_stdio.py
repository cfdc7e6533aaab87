"""Stdin, stdout and stderr through files and fifos."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from toolkit.errors import RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shim.caller import Caller


@pytest.fixture
def make_fifo(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


def test_output_goes_to_files(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = make_bundle("sh", "-c", "echo out; echo err >&2")

    call.run("web", bundle, stdout=str(tmp_path / "out"), stderr=f"file://{tmp_path}/logs/err")
    call.wait("web")

    assert (tmp_path / "out").read_text() == "out\n"
    assert (tmp_path / "logs" / "err").read_text() == "err\n"


def test_a_file_is_appended_to(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("before\n")

    call.run("web", make_bundle("echo", "after"), stdout=str(tmp_path / "out"))
    call.wait("web")

    assert (tmp_path / "out").read_text() == "before\nafter\n"


def test_both_outputs_may_share_a_file(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    path = str(tmp_path / "log")

    call.run("web", make_bundle("sh", "-c", "echo 1; echo 2 >&2; echo 3"), stdout=path, stderr=path)
    call.wait("web")

    assert (tmp_path / "log").read_text() == "1\n2\n3\n"


def test_a_relative_path_is_one_in_the_bundle(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    bundle = make_bundle("echo", "hello")

    call.run("web", bundle, stdout="out.log")
    call.wait("web")

    assert (bundle / "out.log").read_text() == "hello\n"


def test_without_stdio_the_program_reads_nothing_and_writes_nowhere(
    call: Caller, make_bundle: Callable[..., Path]
) -> None:
    call.run("web", make_bundle("sh", "-c", "read line || echo nothing && exit 5"))

    assert call.wait("web") == 5


def test_stdin_comes_from_a_file(
    call: Caller, make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("from a file")

    call.run("web", make_bundle("cat"), stdin=str(tmp_path / "in"), stdout=str(tmp_path / "out"))
    call.wait("web")

    assert (tmp_path / "out").read_text() == "from a file"


def test_a_reader_of_a_fifo_gets_all_and_then_the_end(
    call: Caller, make_bundle: Callable[..., Path], make_fifo: Callable[[str], Path]
) -> None:
    fifo = make_fifo("out")
    call.run("web", make_bundle("echo", "hello"), stdout=str(fifo))

    assert fifo.read_text() == "hello\n"


def test_output_waits_for_a_reader_that_comes_after_the_exit(
    call: Caller, make_bundle: Callable[..., Path], make_fifo: Callable[[str], Path]
) -> None:
    fifo = make_fifo("out")
    call.run("web", make_bundle("echo", "hello"), stdout=str(fifo))
    call.wait("web")

    assert fifo.read_text() == "hello\n"


def test_delete_does_not_wait_for_a_reader(
    call: Caller, make_bundle: Callable[..., Path], make_fifo: Callable[[str], Path]
) -> None:
    call.run("web", make_bundle("echo", "hello"), stdout=str(make_fifo("out")))
    call.wait("web")

    assert call("Delete", id="web").exit_status == 0


def test_a_reader_that_leaves_does_not_kill_the_program(
    call: Caller, make_bundle: Callable[..., Path], make_fifo: Callable[[str], Path]
) -> None:
    stdin, stdout = make_fifo("in"), make_fifo("out")
    bundle = make_bundle("sh", "-c", "echo one; read line; echo two; exit 6")
    call.run("web", bundle, stdin=str(stdin), stdout=str(stdout))
    with stdout.open() as reader:
        assert reader.readline() == "one\n"

    stdin.write_text("go on\n")

    assert call.wait("web") == 6


def test_stdin_of_a_fifo_ends_at_close_io(
    call: Caller, make_bundle: Callable[..., Path], make_fifo: Callable[[str], Path], tmp_path: Path
) -> None:
    stdin = make_fifo("in")
    call.run("web", make_bundle("cat"), stdin=str(stdin), stdout=str(tmp_path / "out"))
    for text in ("first ", "second"):  # a writer that leaves is not the end
        stdin.write_text(text)

    call("CloseIO", id="web", stdin=True)

    assert call.wait("web") == 0
    assert (tmp_path / "out").read_text() == "first second"


@pytest.mark.parametrize(
    ("stdio", "code"),
    [
        ({"stdout": "binary:///usr/bin/logger"}, Code.UNIMPLEMENTED),
        ({"stdout": "/nowhere/out"}, Code.INVALID_ARGUMENT),
        ({"stdin": "/nowhere/in"}, Code.INVALID_ARGUMENT),
        ({"stdout": "file:///dev/null/out"}, Code.INVALID_ARGUMENT),
    ],
)
def test_create_refuses_stdio_that_it_cannot_open(
    stdio: dict[str, str], code: Code, call: Caller, sleeper: Path
) -> None:
    with pytest.raises(RpcError) as caught:
        call("Create", id="web", bundle=str(sleeper), **stdio)

    assert caught.value.code is code
    assert next(iter(stdio.values())) in caught.value.message
    assert call("Create", id="web", bundle=str(sleeper)).pid  # the id is still free


def test_a_nul_in_a_path_is_refused(call: Caller, sleeper: Path) -> None:
    with pytest.raises(RpcError) as caught:
        call("Create", id="web", bundle=str(sleeper), stdout="/tmp/a\0b")

    assert caught.value.code is Code.INVALID_ARGUMENT
