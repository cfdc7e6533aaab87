"""Orphans are adopted and reaped; children that somebody waits for are left to him."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = """\
import os, signal, subprocess, sys, time
from toolkit.shim.hosting import procfs
from toolkit.shim.serving.reaping import Reaper, become_subreaper

def eventually(claim):
    end = time.monotonic() + 10
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return claim()

def orphan():
    # The shell ends at once, and leaves its child to whoever adopts it.
    done = subprocess.run(["sh", "-c", "sleep 0.1 >&- & echo $!"], capture_output=True, text=True)
    return int(done.stdout)

become_subreaper()
reaper = Reaper()
reaper.start()
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_orphan_is_adopted_and_reaped() -> None:
    script = """
pid = orphan()
print(pid in procfs.children(os.getpid()))
print(eventually(lambda: not os.path.exists(f"/proc/{pid}")), reaper.reaped)
"""
    assert run(script) == "True\nTrue 1\n"


def test_the_exit_status_of_a_subprocess_is_left_to_who_has_it() -> None:
    script = """
late = subprocess.Popen(["sh", "-c", "exit 7"])
pid = orphan()
assert eventually(lambda: reaper.reaped)  # an orphan that died later is gone already
print(procfs.is_dead(late.pid), late.wait())
"""
    assert run(script) == "True 7\n"


@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_what_is_waited_for_within_a_second_is_left_alone(kind: str) -> None:
    makers = {
        "fork": "os.fork() or os._exit(7)",
        "spawn": "os.posix_spawn('/bin/sh', ['sh', '-c', 'exit 7'], os.environ)",
    }
    script = f"""
pid = {makers[kind]}
eventually(lambda: procfs.is_dead(pid))
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    assert run(script) == "7\n"


def test_many_orphans_are_reaped() -> None:
    script = """
pids = [orphan() for _ in range(30)]
print(eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids)), reaper.reaped)
"""
    assert run(script) == "True 30\n"


def test_a_storm_of_signals_is_survived() -> None:
    script = """
ends = []
other = Reaper(on_end=ends.append)
other.start()
storm = "import os, signal, sys\\nfor _ in range(5000): os.kill(int(sys.argv[1]), signal.SIGCHLD)"
subprocess.run([sys.executable, "-c", storm, str(os.getpid())], check=True)
os.kill(os.getpid(), signal.SIGTERM)
print(eventually(lambda: ends), ends == [signal.SIGTERM])
"""
    assert run(script) == "[15] True\n"


def test_it_can_be_stopped() -> None:
    assert run("reaper.stop(); print(signal.getsignal(signal.SIGCHLD).name)") == "SIG_DFL\n"
