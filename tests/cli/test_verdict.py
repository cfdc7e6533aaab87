"""The sentence that the doctor ends with, for everything that may be seen."""

from __future__ import annotations

import re
from typing import Any

import pytest

import toolkit
from toolkit.cli.verdict import Seen, Socket, verdict
from toolkit.errors import ConnectFailed, DeadlineExceeded, RpcError
from toolkit.shim.finding.found import Found
from toolkit.shim.finding.health import Answer, Health
from toolkit.status import Code

SCHEMA = toolkit.load("containerd")
FOUND = Found("default", "web", 12, "/usr/bin/shim", task=3, address="unix:///s")


def state(status: str, pid: int = 34) -> Health:
    reply = SCHEMA.message("containerd.task.v3.StateResponse")(status=status, pid=pid)
    return Health(Answer.ANSWERED, 0.001, "S", 3, reply)


CONNECTED = Health(Answer.ANSWERED, 0.001, "S", 3, object())
PIDS = Health(Answer.ANSWERED, 0.001, "S", 3, object())
SILENT = Health(Answer.SILENT, error=DeadlineExceeded("the deadline passed"))
WELL = Seen(
    FOUND,
    Socket.LISTENS,
    "S",
    connect=CONNECTED,
    call_state=state("RUNNING"),
    call_pids=PIDS,
    init=34,
    init_state="S",
    sees_init=True,
)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "healthy; its container is RUNNING"),
        ({"call_state": state("CREATED")}, "healthy; its container is CREATED"),
        ({"call_state": state("STOPPED"), "init_state": ""}, "ctr -n default task rm web"),
        ({"call_state": state("PAUSED")}, "ctr -n default task resume web"),
        ({"call_state": state("PAUSED"), "init_state": "D"}, "its container is paused"),
        ({"init_state": "", "sees_init": False}, "healthy; its container is RUNNING"),
        ({"call_state": None, "call_pids": None, "init": None}, "as far as was asked"),
        ({"state": "R"}, "healthy"),
        ({"state": "D"}, "healthy"),  # for a moment: it has answered
        ({"socket": Socket.ELSEWHERE, "state": ""}, "healthy"),
    ],
)
def test_what_is_well(changes: dict[str, Any], text: str) -> None:
    found = verdict(WELL._replace(**changes))

    assert found.healthy
    assert text in found.text


def no(code: Code, message: str = "") -> Health:
    return Health(Answer.ANSWERED, 0.001, "S", 3, error=RpcError(code, message))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"state": "T", "connect": SILENT}, "stopped by a signal; kill -CONT 12"),
        ({"state": "t", "connect": SILENT}, "TracerPid in /proc/12/status"),
        ({"state": "D", "connect": SILENT}, "stuck in the kernel, .* cat /proc/12/stack"),
        ({"state": "Z"}, "not reaped it; see PPid in /proc/12/status"),
        ({"state": "R", "connect": SILENT}, "silent: .* busy: top -H -p 12"),
        ({"state": "S", "connect": SILENT}, "silent: .* hangs: cat /proc/12/wchan"),
        ({"connect": SILENT, "is_go": True}, "kill -USR1 12"),
        ({"state": "", "connect": SILENT}, "run this as root"),
        ({"socket": Socket.STALE}, "dead: .*ctr -n default task rm --force web"),
        ({"socket": Socket.ABSENT}, "cut off: process 12 lives, but its socket file is gone"),
        ({"socket": Socket.ABSENT, "found": FOUND._replace(pid=None)}, "gone: there is no socket"),
        ({"socket": Socket.NO_SOCKET}, "no shim: that is a file"),
        (
            {"socket": Socket.NOWHERE, "found": FOUND._replace(problem="it holds b'garbage'")},
            "not known: it holds b'garbage'",
        ),
        ({"connect": Health(Answer.DENIED)}, "run this as root"),
        ({"connect": Health(Answer.REFUSED)}, "dead: nobody listens"),
        ({"connect": Health(Answer.GONE)}, "dead: nobody listens"),
        ({"connect": Health(Answer.CLOSED)}, "speaks gRPC"),
        (
            {"connect": Health(Answer.FAILED, error=ConnectFailed("unix:///s", "too many files"))},
            "not asked: .*too many files",
        ),
        (
            {"connect": Health(Answer.UNASKED), "found": FOUND._replace(protocol="grpc")},
            "it speaks grpc, not ttrpc",
        ),
        ({"connect": None}, "not asked"),
        (
            {"connect": CONNECTED._replace(task=None, reply=None)},
            "no Task service: .* ttrpc list unix:///s",
        ),
        ({"connect": CONNECTED._replace(task=2)}, "speaks task v2, and its bundle says v3"),
        ({"call_state": SILENT}, "half alive: .* not State: .*ps --ppid 12"),
        ({"call_pids": SILENT}, "half alive: .* not Pids"),
        ({"call_state": Health(Answer.CLOSED, error=ValueError("eof"))}, "went away at State"),
        ({"call_state": no(Code.NOT_FOUND)}, "empty: it lives and has no container 'web'"),
        ({"call_state": no(Code.UNKNOWN, "runc: no")}, "State fails: UNKNOWN: runc: no"),
        ({"connect": no(Code.INTERNAL, "oh")}, "Connect fails: INTERNAL: oh; see its log"),
        ({"connect": no(Code.NOT_FOUND)}, "empty: it lives and has no container 'web'"),
        ({"call_pids": no(Code.UNKNOWN, "runc: no")}, "Pids fails: UNKNOWN: runc: no"),
        ({"init_state": ""}, "missed an exit: it says that process 34 runs"),
        ({"init_state": "Z"}, "missed an exit: process 34 .*dead and not reaped"),
        ({"init_state": "D"}, "its container is stuck in the kernel: cat /proc/34/stack"),
        ({"found": FOUND._replace(problem="x holds y")}, "not find it after a restart: x holds y"),
    ],
)
def test_what_is_not(changes: dict[str, Any], text: str) -> None:
    found = verdict(WELL._replace(**changes))

    assert not found.healthy
    assert re.search(text, found.text), found.text


@pytest.mark.parametrize("answer", list(Answer))
@pytest.mark.parametrize("letter", ["", "R", "S", "D", "T", "t", "Z", "I", "X"])
@pytest.mark.parametrize("socket", list(Socket))
def test_there_is_a_sentence_for_everything(answer: Answer, letter: str, socket: Socket) -> None:
    seconds = 0.1 if answer is Answer.ANSWERED else None
    seen = Seen(Found("", ""), socket, letter, connect=Health(answer, seconds, letter, 3))

    found = verdict(seen)

    assert found.text
    assert found.healthy <= (answer is Answer.ANSWERED)
