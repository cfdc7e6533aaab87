"""``ttrpc doctor``: its steps, its verdict and its exit code."""

from __future__ import annotations

import os
import re
import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import Outcome, serving, ttrpc
from tests.shim.finding.lookalike import Bundle, lookalike, unused_namespace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def namespace() -> str:
    return unused_namespace()


@pytest.fixture
def bundle(tmp_path: Path, namespace: str) -> Path:
    return Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/s").path


def steps(outcome: Outcome) -> list[str]:
    return [line.split()[0] for line in outcome.out.splitlines()]


def verdict_of(outcome: Outcome) -> str:
    (line,) = re.findall(r"^verdict +(.+)$", outcome.out, re.MULTILINE)
    return str(line)


def test_a_healthy_shim_goes_through_every_step(
    tmp_path: Path, namespace: str, bundle: Path
) -> None:
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3") as pid:
        outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 0, outcome.err
    assert steps(outcome) == [
        *("shim", "bundle", "socket", "owner", "process"),
        *("Connect", "State", "Pids", "init", "verdict"),
    ]
    assert f"socket    unix://{tmp_path}/s: listens" in outcome.out
    assert re.search(rf"^owner +pid {pid}, .*lookalike_program.py$", outcome.out, re.MULTILINE)
    assert re.search(r"^State +[\d.]+ ms: RUNNING, pid \d+, task v3$", outcome.out, re.MULTILINE)
    assert re.search(r"^Pids +[\d.]+ ms: 1 process, task v3$", outcome.out, re.MULTILINE)
    assert verdict_of(outcome) == "healthy; its container is RUNNING"


@pytest.mark.parametrize("kind", ["url", "path", "bundle"])
def test_every_kind_of_address_names_it(
    tmp_path: Path, namespace: str, bundle: Path, kind: str
) -> None:
    address = {"url": f"unix://{tmp_path}/s", "path": f"{tmp_path}/s", "bundle": str(bundle)}

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3"):
        outcome = ttrpc("doctor", address[kind])

    assert outcome.code == 0, outcome.out
    assert f"shim      {namespace}/web\nbundle    {bundle}\n" in outcome.out


def test_a_bundle_of_a_shared_shim_is_the_one_looked_at(
    tmp_path: Path, namespace: str, bundle: Path
) -> None:
    app = Bundle(tmp_path, namespace, "app").says(f"unix://{tmp_path}/s").path

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3"):
        outcomes = [ttrpc("doctor", path) for path in (bundle, app)]

    for outcome, name in zip(outcomes, ("web", "app"), strict=True):
        assert f"shim      {namespace}/{name}\n" in outcome.out
        assert outcome.out.startswith("shared    by ")


def test_one_that_is_stopped_is_told_how_to_go_on(
    tmp_path: Path, namespace: str, bundle: Path
) -> None:
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3") as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED)
        outcome = ttrpc("doctor", f"shim://{namespace}/web")
        os.kill(pid, signal.SIGCONT)
        after = ttrpc("doctor", f"shim://{namespace}/web")

    assert (outcome.code, after.code) == (1, 0)
    assert f"process   {pid}, T (stopped)" in outcome.out
    assert "Connect   silent: no reply within 2 s" in outcome.out
    assert verdict_of(outcome) == f"stopped by a signal; kill -CONT {pid} lets it go on"


def test_one_that_hangs_is_silent(tmp_path: Path, namespace: str, bundle: Path) -> None:
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s") as pid:
        outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert verdict_of(outcome).startswith("silent: ")
    assert f"cat /proc/{pid}/wchan" in outcome.out
    assert "USR1" not in outcome.out  # it would die of that


def test_a_dead_one_left_its_socket(tmp_path: Path, namespace: str, bundle: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/s")

    outcome = ttrpc("doctor", bundle)

    assert outcome.code == 1
    assert verdict_of(outcome).startswith("dead: it ended and left its socket; ")
    assert "Connect" not in steps(outcome)


def test_one_that_is_gone_has_no_socket(bundle: Path) -> None:
    outcome = ttrpc("doctor", bundle)

    assert outcome.code == 1
    assert "there is no such file" in outcome.out


def test_one_whose_socket_file_was_removed_is_cut_off(
    tmp_path: Path, namespace: str, bundle: Path
) -> None:
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3") as pid:
        (tmp_path / "s").unlink()
        outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert f"process {pid} lives, but its socket file is gone" in verdict_of(outcome)


def test_one_of_another_version_than_it_says(tmp_path: Path, namespace: str, bundle: Path) -> None:
    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve2"):
        outcome = ttrpc("doctor", bundle)

    assert outcome.code == 1
    assert "it speaks task v2, and its bundle says v3" in verdict_of(outcome)


def test_one_whose_bundle_makes_no_sense(tmp_path: Path, namespace: str, bundle: Path) -> None:
    (bundle / "bootstrap.json").write_text("garbage")

    with lookalike(namespace, "web", bundle=bundle, socket=f"{tmp_path}/s", mode="serve3"):
        outcome = ttrpc("doctor", f"shim://{namespace}/web")
    dead = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert "it answers, but containerd may not find it" in verdict_of(outcome)
    assert dead.code == 1


def test_a_bundle_that_makes_no_sense_and_nobody(
    tmp_path: Path, namespace: str, bundle: Path
) -> None:
    other = Bundle(tmp_path, namespace, "db").says(f"unix://{tmp_path}/d").path
    (bundle / "bootstrap.json").write_text("garbage")

    with lookalike(namespace, "db", bundle=other, socket=f"{tmp_path}/d"):
        outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert "its socket is not known" in verdict_of(outcome)
    assert "holds b'garbage'" in verdict_of(outcome)


def test_a_path_over_the_limit(tmp_path: Path, namespace: str) -> None:
    db = Bundle(tmp_path, namespace, "db").says(f"unix://{tmp_path}/d").path
    Bundle(tmp_path, namespace, "web").says(f"unix://{tmp_path}/{'x' * 120}")

    with lookalike(namespace, "db", bundle=db, socket=f"{tmp_path}/d"):
        outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert outcome.code == 1
    assert "a unix socket's at most 107" in verdict_of(outcome)


def test_a_file_is_no_shim(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    outcome = ttrpc("doctor", tmp_path / "file")

    assert outcome.code == 1
    assert "that is a file and no socket" in verdict_of(outcome)


def test_a_server_that_is_no_shim() -> None:
    with serving() as address:
        outcome = ttrpc("doctor", address)

    assert outcome.code == 1
    assert verdict_of(outcome).startswith("no Task service")


def test_a_name_that_nobody_has(namespace: str) -> None:
    outcome = ttrpc("doctor", f"shim://{namespace}/web")

    assert (outcome.code, outcome.out) == (1, "")
    assert f"no shim {namespace}/web" in outcome.err


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_it_wants_one_address(arguments: list[str]) -> None:
    outcome = ttrpc("doctor", *arguments)

    assert outcome.code == 2
    assert "doctor wants one ADDRESS" in outcome.err


@pytest.mark.parametrize("address", ["shim://", "shim://a", "shim://a/b/c"])
def test_a_name_that_is_no_shim_s_is_a_slip_of_the_command_line(address: str) -> None:
    outcome = ttrpc("doctor", address)

    assert outcome.code == 2
    assert "shim://NAMESPACE/ID" in outcome.err
