"""``delete``: what is left of a container whose shim was killed, and what is somebody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.shim.serving.waiting import ends, eventually
from toolkit.shim.hosting import procfs
from toolkit.shim.serving.records import Ended, Records, end_recorded, read_records
from toolkit.shim.serving.reply import delete_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.shim.serving.conftest import Small

REPLY = "containerd.task.v2.DeleteResponse"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def deleted(small: Small, *words: str, cwd: Path | None = None) -> Any:
    arguments = [*small.invocation("", "web").arguments(), *words, "delete"]
    done = small.call(*arguments, cwd=cwd or small.bundle_of("web"))
    assert done.returncode == 0, done.stdout
    return small.schema.message(REPLY).FromString(done.stdout)


def test_the_recorded_process_is_killed_and_its_end_told(
    small: Small, sleeper: subprocess.Popen[bytes]
) -> None:
    Records(small.bundle("web")).add(sleeper.pid)
    before = time.time()

    reply = deleted(small)

    assert sleeper.wait(5) == -signal.SIGKILL
    assert (reply.pid, reply.exit_status) == (sleeper.pid, 137)
    assert before - 1 <= reply.exited_at.seconds <= time.time()


def test_what_it_has_started_in_its_session_is_killed_too(small: Small, tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; wait"
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True)
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = int((tmp_path / "pid").read_text())
    Records(small.bundle("web")).add(process.pid)

    deleted(small)

    assert process.wait(5) == -signal.SIGKILL
    assert ends(child)


def test_what_outlived_the_recorded_process_in_its_session_is_killed(
    small: Small, tmp_path: Path
) -> None:
    script = f"sleep 1000 & echo $! > {tmp_path}/pid; read line"
    process = subprocess.Popen(["sh", "-c", script], start_new_session=True, stdin=subprocess.PIPE)
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child = int((tmp_path / "pid").read_text())
    Records(small.bundle("web")).add(process.pid)
    process.communicate(b"\n")

    deleted(small)

    assert ends(child)


def test_another_process_of_the_same_number_is_spared(
    small: Small, sleeper: subprocess.Popen[bytes]
) -> None:
    records = Records(small.bundle("web"))
    records.add(sleeper.pid)
    [entry] = read_records(small.bundle_of("web"))
    other = entry._replace(started=entry.started - 1)._asdict()
    (small.bundle_of("web") / "processes.json").write_text(json.dumps([other]))

    reply = deleted(small)

    assert sleeper.poll() is None
    assert (reply.pid, reply.exit_status) == (sleeper.pid, 137)


def test_a_process_that_is_known_to_have_ended_is_not_looked_for(
    small: Small, sleeper: subprocess.Popen[bytes]
) -> None:
    records = Records(small.bundle("web"))
    records.add(sleeper.pid)
    records.end("", 7, 1_500_000_000)

    reply = deleted(small)

    assert sleeper.poll() is None
    assert (reply.pid, reply.exit_status) == (sleeper.pid, 7)
    assert (reply.exited_at.seconds, reply.exited_at.nanos) == (1, 500_000_000)


def test_a_bundle_without_notes_is_answered_too(small: Small) -> None:
    reply = deleted(small)

    assert (reply.pid, reply.exit_status) == (0, 137)


@pytest.mark.parametrize("text", ["", "{", "7", "[7]", '[{"pid": 1, "started": 0}]', '[{"x": 1}]'])
def test_notes_that_make_no_sense_kill_nobody(text: str, small: Small) -> None:
    (small.bundle("web") / "processes.json").write_text(text)

    assert deleted(small).pid == 0


def test_the_bundle_may_be_named(small: Small, sleeper: subprocess.Popen[bytes]) -> None:
    bundle = small.bundle("web")
    Records(bundle).add(sleeper.pid)

    deleted(small, "-bundle", str(bundle), cwd=small.folder)

    assert sleeper.wait(5) == -signal.SIGKILL


def test_the_socket_of_a_killed_shim_is_removed(small: Small) -> None:
    path = Path(small.started().removeprefix("unix://"))
    [pid] = small.servers()
    os.kill(pid, signal.SIGKILL)
    assert ends(pid)

    deleted(small)

    assert not path.exists()


def test_the_socket_of_a_groups_shim_that_lives_stays(small: Small) -> None:
    group = {"io.containerd.runc.v2.group": "pod"}
    small.bundle("web", **group)
    small.bundle("pod", **group)
    address = small.started("pod")
    assert small.started("web") == address

    deleted(small)

    assert small.told(address)["id"] == "pod"


def test_an_author_may_clean_up_otherwise(small: Small) -> None:
    small.write(
        extra=", cleanup=lambda bundle: __import__('toolkit.shim.serving').shim.serving.Ended("
        "len(bundle.path), 3, 4_000_000_000)"
    )

    reply = deleted(small)

    assert (reply.pid, reply.exit_status) == (len(str(small.bundle_of("web"))), 3)
    assert reply.exited_at.seconds == 4


def test_a_cleanup_that_fails_is_one_line_and_status_1(small: Small) -> None:
    small.write(extra=", cleanup=lambda bundle: {}['disk']")
    words = small.invocation("delete", "web").arguments()

    done = small.call(*words, cwd=small.bundle("web"))

    assert (done.returncode, done.stdout) == (1, b"containerd-shim-small-v1: KeyError: 'disk'\n")


def test_it_goes_without_protobuf(small: Small) -> None:
    extra = "bool('google.protobuf.message' in sys.modules)"
    small.write(
        extra=", cleanup=lambda bundle: __import__('toolkit.shim.serving').shim.serving.Ended("
        f"{extra}, 1, 1)"
    )

    assert deleted(small).pid == 0


@pytest.mark.parametrize(
    "ended",
    [Ended(0, 0, 0), Ended(1, 137, 1), Ended(4_194_304, 255, time.time_ns()), Ended(300, 1, 10**9)],
)
def test_the_reply_is_encoded_as_protobuf_does(ended: Ended, small: Small) -> None:
    reply = small.schema.message(REPLY).FromString(delete_response(ended))

    at = reply.exited_at.seconds * 10**9 + reply.exited_at.nanos
    assert Ended(reply.pid, reply.exit_status, at) == ended


def test_records_of_many_processes(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    records = Records(tmp_path)
    records.add(sleeper.pid)
    records.add(sleeper.pid, "extra")
    records.add(sleeper.pid, "other")
    records.end("extra", 3, 5)
    records.forget("other")

    found = {entry.exec_id: entry for entry in read_records(tmp_path)}

    assert set(found) == {"", "extra"}
    assert found[""].started == procfs.start_time(sleeper.pid)
    assert (found["extra"].status, found["extra"].at) == (3, 5)


def test_a_bundle_that_has_gone_is_no_reason_to_fail(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    bundle = tmp_path / "gone"
    bundle.mkdir()
    records = Records(bundle)
    records.add(sleeper.pid)
    (bundle / "processes.json").unlink()
    bundle.rmdir()

    records.end("", 0, 1)
    records.forget("")

    assert end_recorded(bundle) is None
