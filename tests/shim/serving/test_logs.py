"""The log fifo: read late, never, or not fast enough."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.serving.waiting import eventually
from toolkit import sync
from toolkit.shim.serving.logs import LogHandler, open_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shim.serving.conftest import Small


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def handler(fifo: Path) -> Iterator[LogHandler]:
    descriptor = open_log(fifo.parent)
    yield LogHandler(descriptor)
    os.close(descriptor)


def read_all(fifo: Path) -> str:
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    data = b""
    try:
        while piece := os.read(descriptor, 65536):
            data += piece
    except BlockingIOError:
        pass
    finally:
        os.close(descriptor)
    return data.decode()


def record(message: str, *args: Any, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("toolkit.shim", level, "file", 1, message, args, None)


def test_a_line_looks_like_one_of_containerds_log(handler: LogHandler, fifo: Path) -> None:
    made = record('say "%s"\nagain', "ä")
    made.created = 1.5

    handler.handle(made)

    assert read_all(fifo) == (
        'time="1970-01-01T00:00:01.500000000Z" level=warning msg="say \\"ä\\"\\nagain" '
        'logger="toolkit.shim"\n'
    )


def test_a_traceback_is_part_of_the_message(handler: LogHandler, fifo: Path) -> None:
    try:
        raise LookupError("no disk")
    except LookupError as exc:
        made = record("it failed")
        made.exc_info = (type(exc), exc, exc.__traceback__)

    handler.handle(made)

    text = read_all(fifo)
    assert "LookupError: no disk" in text
    assert text.count("\n") == 1


def test_arguments_that_do_not_fit_are_no_reason_to_fail(handler: LogHandler, fifo: Path) -> None:
    handler.handle(record("%d", "x"))

    assert 'msg="%d"' in read_all(fifo)


def test_opening_waits_for_no_reader_and_what_is_written_is_kept(
    handler: LogHandler, fifo: Path
) -> None:
    handler.handle(record("early"))

    assert 'msg="early"' in read_all(fifo)


def test_a_full_fifo_does_not_block_and_the_loss_is_told(handler: LogHandler, fifo: Path) -> None:
    for number in range(2000):
        handler.handle(record("%d" + "x" * 100, number))
    lost = handler.dropped
    first = read_all(fifo)

    handler.handle(record("at last"))

    assert lost > 0
    assert len(first.splitlines()) == 2000 - lost
    told, last = read_all(fifo).splitlines()
    assert f'msg="{lost} lines of this log were dropped' in told
    assert 'msg="at last"' in last
    assert handler.dropped == 0


def test_without_a_fifo_there_is_no_log(tmp_path: Path) -> None:
    descriptor = open_log(tmp_path)

    assert stat.S_ISCHR(os.fstat(descriptor).st_mode)
    os.close(descriptor)


def test_a_file_in_place_of_the_fifo_is_appended_to(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")

    descriptor = open_log(tmp_path)
    LogHandler(descriptor).handle(record("after"))
    os.close(descriptor)

    assert (tmp_path / "log").read_text().startswith("before\ntime=")


def test_a_shim_starts_and_logs_before_anybody_reads(small: Small) -> None:
    fifo = small.bundle("web") / "log"
    os.mkfifo(fifo)
    address = small.started()

    with sync.connect(address, timeout=5) as channel:
        small.task(channel).Kill(id="web", signal=9, timeout=5)

    assert 'level=warning msg="log 9" logger="shim"' in read_all(fifo)


def test_a_reader_that_goes_away_or_does_not_read_harms_no_shim(small: Small) -> None:
    fifo = small.bundle("web") / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, 1031, 4096)  # F_SETPIPE_SZ
    address = small.started()

    with sync.connect(address, timeout=5) as channel:
        task = small.task(channel)
        for number in range(100):  # more than fit
            task.Kill(id="web", signal=number, timeout=5)
        os.close(reader)
        for number in range(100):
            task.Kill(id="web", signal=number, timeout=5)

        assert task.Connect(id="web", timeout=5).shim_pid == small.servers()[0]

    assert eventually(lambda: 'msg="log 0"' in read_all(fifo))
