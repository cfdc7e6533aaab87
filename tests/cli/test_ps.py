"""``ttrpc ps``: the table of shims, in every width, and as JSON."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import ttrpc
from tests.shim.finding.lookalike import Bundle, lookalike, unused_namespace
from toolkit.cli.shimtable import WIDE, Row, table

if TYPE_CHECKING:
    from pathlib import Path

HASH = "0f16c4b304c85a28f4a66fe1f07378165c38c63bb2d9fc72720b7a95a7908cd2"
ID = "9" * 64
WEB = Row(
    *("default", "web", "1741", "S", "v2", "1.4 ms", "/usr/bin/containerd-shim-runc-v2"),
    f"unix:///run/containerd/s/{HASH}",
)
POD = WEB._replace(namespace="k8s.io", id=ID, address=f"unix:///run/containerd/s/{HASH[::-1]}")


@pytest.fixture
def namespace() -> str:
    return unused_namespace()


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def test_where_there_is_room_everything_is_whole() -> None:
    assert table([WEB], WIDE) == (
        "NAMESPACE  ID   PID   STATE  TASK  ANSWERS  BINARY                            ADDRESS\n"
        "default    web  1741  S      v2    1.4 ms   /usr/bin/containerd-shim-runc-v2  "
        f"unix:///run/containerd/s/{HASH}"
    )


@pytest.mark.parametrize("rows", [[WEB], [POD], [WEB, POD]])
@pytest.mark.parametrize("width", [80, 100, 120, 160, 200, 250])
def test_no_line_is_wider_than_the_terminal(rows: list[Row], width: int) -> None:
    lines = table(rows, width).splitlines()

    assert max(map(len, lines)) <= width
    assert len(lines) == 1 + len(rows)


def test_in_80_columns_the_address_is_what_tells_it_from_others() -> None:
    assert table([WEB, POD], 80) == (
        "NAMESPACE  ID             PID   STATE  TASK  ANSWERS  BINARY   ADDRESS\n"
        "default    web            1741  S      v2    1.4 ms   runc-v2  …/0f16c4b304…\n"
        "k8s.io     9999999999999  1741  S      v2    1.4 ms   runc-v2  …/2dc8097a59…"
    ).replace("…/0f16c4b304…", f"…/{HASH[:14]}…"[:17]).replace(
        "…/2dc8097a59…", f"…/{HASH[::-1][:14]}…"[:17]
    )


def test_the_folder_of_the_binary_goes_first() -> None:
    width = len(table([WEB], WIDE).splitlines()[1])

    assert "  containerd-shim-runc-v2  unix:///run/containerd/s/" in table([WEB], width - 1)


def test_a_name_that_is_too_long_is_cut_at_its_end() -> None:
    row = WEB._replace(id="a-very-long-name-that-somebody-gave-to-a-container-of-theirs-by-hand")

    assert "a-very-" in table([row], 80)
    assert max(map(len, table([row], 80).splitlines())) <= 80


def test_a_terminal_that_is_too_narrow_still_gets_a_table() -> None:
    assert table([WEB], 20).startswith("NAMESPACE  ID")


def test_shims_are_listed_with_what_is_known(tmp_path: Path, namespace: str) -> None:
    address = f"unix://{tmp_path}/s"
    bundle = Bundle(tmp_path, namespace, "web").says(address).path
    Bundle(tmp_path, namespace, "dead").says(f"unix://{tmp_path}/none", version=2)

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3") as pid:
        outcome = ttrpc("ps", "-n", namespace)

    assert outcome.code == 0, outcome.err
    head, dead, web = (line.split() for line in outcome.out.splitlines())
    assert head == ["NAMESPACE", "ID", "PID", "STATE", "TASK", "ANSWERS", "BINARY", "ADDRESS"]
    assert dead == [namespace, "dead", "-", "-", "v2", "gone", "-", f"unix://{tmp_path}/none"]
    assert web[:5] == [namespace, "web", str(pid), "S", "v3"]
    assert float(web[5]) < 1000
    assert (web[6], web[8]) == ("ms", address)


def test_json_has_all_of_it(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve2") as pid:
        outcome = ttrpc("ps", "--json", "-n", namespace)

    (found,) = json.loads(outcome.out)
    assert 0 < found.pop("seconds") < 1
    assert found.pop("binary").endswith("lookalike_program.py")
    assert found == {
        "namespace": namespace,
        "id": "web",
        "pid": pid,
        "state": "S",
        "task": 2,  # it says 3, and 2 is what answered
        "answer": "answered",
        "error": None,
        "version": None,
        "address": f"unix://{tmp_path}/s",
        "bundle": str(bundle),
        "protocol": "ttrpc",
        "problem": None,
    }


def test_one_that_is_stopped_is_silent(tmp_path: Path, namespace: str) -> None:
    bundle = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3") as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        outcome = ttrpc("ps", "-n", namespace)

    assert outcome.out.splitlines()[1].split()[3:6] == ["T", "v3", "silent"]


def test_where_there_are_none_stderr_says_so(namespace: str) -> None:
    outcome = ttrpc("ps", "-n", namespace)

    assert (outcome.code, outcome.out) == (0, "")
    assert f"No shims of namespace {namespace} are seen" in outcome.err
    assert ttrpc("ps", "-n", namespace, "--json").out == "[]\n"


def test_what_is_odd_goes_to_stderr(tmp_path: Path, namespace: str) -> None:
    first = Bundle(tmp_path, namespace, "c0").says(f"unix://{tmp_path}/s").path
    for number in range(1, 6):
        bundle = Bundle(tmp_path, namespace, f"c{number}").path
        (bundle / "bootstrap.json").write_text("garbage")

    with lookalike(namespace, "c0", bundle=first, socket=f"{tmp_path}/s", mode="serve3"):
        outcome = ttrpc("ps", "-n", namespace)
        verbose = ttrpc("ps", "-n", namespace, "-v")

    assert len(outcome.out.splitlines()) == 7
    assert f"Note: {namespace}/c1: {tmp_path}" in outcome.err
    assert "holds b'garbage'" in outcome.err
    assert "2 more have something odd; -v tells" in outcome.err
    assert f"{namespace}/c5" not in outcome.err
    assert f"{namespace}/c5" in verbose.err


def test_names_do_not_drive_the_terminal(tmp_path: Path, namespace: str) -> None:
    first = Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path
    Bundle(tmp_path, namespace, "\x1b[31mred").says(f"unix://{tmp_path}/\x1b[2J")

    with lookalike(namespace, "web", bundle=first, socket=f"{tmp_path}/s", mode="serve3"):
        outcome = ttrpc("ps", "-n", namespace)

    assert "\x1b" not in outcome.out + outcome.err
    assert "\\x1b[31mred" in outcome.out


def test_it_takes_no_arguments() -> None:
    outcome = ttrpc("ps", "web")

    assert outcome.code == 2
    assert "ps takes no arguments, not 'web'" in outcome.err
