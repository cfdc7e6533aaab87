"""containerd with the process shim of our examples as one of its runtimes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.interop.containerd import Containerd, search_path
from tests.interop.needs import need_programs, need_root, unavailable
from tests.interop.peers import program
from toolkit.shim.invocation import socket_address

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LINES", "Event", "Runtime", "running"]

LINES = ["1.6", "2.4"]  # Debian's containerd, and the newest
RUNTIME = "io.containerd.process.v1"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "process_shim.py"
PATIENCE = 10.0  # seconds for what takes a tenth of one

_TASK = re.compile(r"^(\S+)\s+(\d+)\s+([A-Z]+)\s*$", re.MULTILINE)
_EVENT = re.compile(r" (/\S+) (\{.*\})$")


class Event(NamedTuple):
    """A line of ``ctr events``."""

    topic: str
    values: dict[str, Any]


class Runtime:
    """A containerd, and what a test does with containers of the process runtime in it."""

    def __init__(self, containerd: Containerd) -> None:
        self.containerd = containerd
        self.ctr = containerd.ctr
        self.call = containerd.call

    def arguments(self, container_id: str, *words: str, flags: tuple[str, ...] = ()) -> list[str]:
        """Of ``ctr run`` for a container with this program of the host."""
        fixed = ["run", "--rootfs", "--runtime", RUNTIME, *flags]
        return [*fixed, str(self.containerd.rootfs), container_id, *words]

    def run(self, container_id: str, *words: str, flags: tuple[str, ...] = ()) -> int:
        """Run a container in the background; its pid."""
        self.ctr(*self.arguments(container_id, *words, flags=("--detach", *flags)))
        return self.tasks()[container_id][0]

    def tasks(self) -> dict[str, tuple[int, str]]:
        """The pid and the state of each task."""
        found = _TASK.findall(self.ctr("task", "ls"))
        return {name: (int(pid), state) for name, pid, state in found}

    def state(self, container_id: str) -> str:
        """Of one task; empty without it."""
        return self.tasks().get(container_id, (0, ""))[1]

    def shim(self, container_id: str) -> int:
        """The pid of the shim that was started for a container."""
        [pid] = self.containerd.shims(container_id)
        return pid

    def remove(self, container_id: str) -> None:
        """Kill and delete a container, whatever is left of it."""
        self.call("task", "rm", "--force", container_id)
        self.call("container", "rm", container_id)

    def socket(self, container_id: str) -> Path:
        """Where the shim of a container listens, or did."""
        address = socket_address(
            self.containerd.namespace,
            container_id,
            address=str(self.containerd.folder / "containerd.sock"),
        )
        return Path(address.removeprefix("unix://"))

    def leftovers(self, *ids: str) -> list[str]:
        """What stays there of containers that were removed; a shim may take a moment to end."""
        awaited(lambda: not self._leftovers(*ids))
        return self._leftovers(*ids)

    def _leftovers(self, *ids: str) -> list[str]:
        found = [text for text in self.containerd.leftovers() if " containerd " not in text]
        found = [text for text in found if f"process {self.containerd.pid}:" not in text]
        found += [f"socket {path}" for path in map(self.socket, ids) if path.exists()]
        found += [f"bundle {id}" for id in ids if self.containerd.bundle(id).exists()]
        return found

    def descriptors(self) -> int:
        """How many file descriptors the daemon has open."""
        return len(list(Path(f"/proc/{self.containerd.pid}/fd").iterdir()))

    @contextlib.contextmanager
    def events(self) -> Iterator[list[Event]]:
        """What ``ctr events`` tells; all of it once the block is over."""
        process = self.containerd.popen("events")
        found: list[Event] = []
        try:
            self._await_subscription(process)
            yield found
            self.ctr("container", "create", "--rootfs", str(self.containerd.rootfs), "the-end")
            self.ctr("container", "rm", "the-end")
            assert process.stdout is not None
            for event in map(_event, process.stdout):
                if event.values.get("id") == "the-end":
                    break
                if event.values.get("id") != "the-start":
                    found.append(event)
        finally:
            process.terminate()
            process.communicate()

    def _await_subscription(self, process: subprocess.Popen[str]) -> None:
        """Wait until it listens; ctr does not tell when, so there are events until one comes."""
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], 0.05)[0]:
            self.ctr("container", "create", "--rootfs", str(self.containerd.rootfs), "the-start")
            self.ctr("container", "rm", "the-start")


def _event(line: str) -> Event:
    found = _EVENT.search(line)
    assert found is not None, line
    return Event(found[1], json.loads(found[2]))


@contextlib.contextmanager
def running(line: str) -> Iterator[Runtime]:
    """A private containerd of a line; that nothing is left of it is checked at the end."""
    need_root()
    with contextlib.ExitStack() as stack:
        folders = [Path(tempfile.mkdtemp(prefix="ttrpc-")) for _ in range(2)]
        for folder in folders:
            stack.callback(shutil.rmtree, folder)
        binaries, state = folders
        _install(binaries, line)
        need_programs(["containerd", "ctr", "busybox"], path=search_path(binaries))
        with Containerd(state, binaries=binaries) as containerd:
            yield Runtime(containerd)
        assert containerd.leftovers() == []


def _install(binaries: Path, line: str) -> None:
    subprocess.run(
        [sys.executable, EXAMPLE, "install", binaries], check=True, stdout=subprocess.DEVNULL
    )
    if line == "1.6":
        return
    for name in ("containerd", "ctr"):
        path = program(f"containerd/{line}/{name}")
        if not path.is_file():
            unavailable(f"{path} is not built; `make peers` builds it")
        (binaries / name).symlink_to(path)


def awaited(wanted: Any, *, timeout: float = PATIENCE) -> Any:
    """The first true answer of ``wanted``; there is no event for it."""
    deadline = time.monotonic() + timeout
    while not (answer := wanted()) and time.monotonic() < deadline:
        os.sched_yield()
        time.sleep(0.02)
    return answer
