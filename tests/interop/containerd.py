"""A containerd of our own: private folders and sockets, and nothing left afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["PROGRAMS", "Container", "Containerd", "search_path"]

PROGRAMS = ("containerd", "ctr", "containerd-shim-runc-v2", "runc", "busybox")
START_TIMEOUT = 30  # seconds; it takes half of one
COMMAND_TIMEOUT = 30  # seconds of one ctr
GONE_TIMEOUT = 5  # seconds for a shim to go after its Shutdown

CONFIG = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "{folder}/containerd.sock"
[ttrpc]
  address = "{folder}/containerd.sock.ttrpc"
"""


def search_path(binaries: Path | None = None) -> str:
    """Where programs are looked for: this folder first, and where Debian has runc."""
    folders = [str(binaries)] if binaries is not None else []
    return os.pathsep.join([*folders, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class Container(NamedTuple):
    """A running container and its shim."""

    id: str
    pid: int
    address: str
    bundle: Path


class Containerd:
    """containerd with a state, root and namespace that nobody else has.

    ``binaries`` is a folder whose programs come before those of the system: another containerd,
    another shim.
    """

    def __init__(self, folder: Path, *, binaries: Path | None = None) -> None:
        self.folder = folder
        self.namespace = f"ttrpc-test-{os.getpid()}"
        self.log: list[str] = []
        self._env = {**os.environ, "PATH": search_path(binaries)}
        self._booted = threading.Event()
        self._containers: list[Container] = []
        self._addresses: list[str] = []

    def __enter__(self) -> Containerd:
        (self.folder / "config.toml").write_text(CONFIG.format(folder=self.folder))
        self._unpack_rootfs()
        self.start()
        return self

    @property
    def pid(self) -> int:
        """Of the daemon that runs now."""
        return self._process.pid

    @property
    def rootfs(self) -> Path:
        """A folder with ``/bin/busybox`` in it."""
        return self.folder / "rootfs"

    def start(self) -> None:
        """Run the daemon; also again, after ``stop``, with what it had."""
        self._booted.clear()
        self._process = subprocess.Popen(
            [self._program("containerd"), "--config", str(self.folder / "config.toml")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self._env,
            start_new_session=True,  # Ctrl-C is for the tests, which then stop it in order
        )
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        if not self._booted.wait(START_TIMEOUT):
            self.stop()
            raise RuntimeError(f"containerd did not start:\n{''.join(self.log[-20:])}")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for container in list(self._containers):
            self.remove(container)
        self.stop()
        self._forget_namespace()

    def ctr(self, *args: str, check: bool = True) -> str:
        """What this command of ctr prints."""
        done = self.call(*args)
        if check and done.returncode:
            log = "".join(self.log[-20:])
            raise RuntimeError(f"ctr {' '.join(args)}:\n{done.stdout}{done.stderr}\n{log}")
        return done.stdout

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        """This command of ctr, when it has ended, however it did."""
        return subprocess.run(
            self._ctr(*args),
            capture_output=True,
            text=True,
            env=self._env,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    def popen(self, *args: str) -> subprocess.Popen[str]:
        """This command of ctr, running; its output is a pipe."""
        return subprocess.Popen(
            self._ctr(*args),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._env,
        )

    def bundle(self, container_id: str) -> Path:
        """Where the bundle of a task is, or was."""
        tasks = self.folder / "state" / "io.containerd.runtime.v2.task"
        return tasks / self.namespace / container_id

    def run(self, container_id: str, *args: str) -> Container:
        """A container that runs this program of busybox."""
        rootfs = str(self.folder / "rootfs")
        self.ctr("run", "--rootfs", "--detach", rootfs, container_id, "/bin/busybox", *args)
        bundle = self.bundle(container_id)
        container = Container(container_id, self._pid(container_id), _address(bundle), bundle)
        self._containers.append(container)
        self._addresses.append(container.address)
        return container

    def remove(self, container: Container) -> None:
        """Kill and delete a container, whatever is left of it."""
        self._containers.remove(container)
        shims = [os.pidfd_open(pid) for pid in self.shims(container.id)]
        self.ctr("task", "kill", "--signal", "SIGKILL", container.id, check=False)
        self.ctr("task", "rm", "--force", container.id, check=False)
        self.ctr("container", "rm", container.id, check=False)
        for pidfd in shims:
            if not _ends(pidfd):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                Path(container.address.removeprefix("unix://")).unlink(missing_ok=True)
            os.close(pidfd)

    def leftovers(self) -> list[str]:
        """Processes, mounts and sockets that are still there because of us."""
        found = [f"process {pid}: {command}" for pid, command in self._processes()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if str(self.folder) in line]
        paths = [address.removeprefix("unix://") for address in self._addresses]
        return found + [f"socket {path}" for path in paths if Path(path).exists()]

    def _ctr(self, *args: str) -> list[str]:
        address = str(self.folder / "containerd.sock")
        return [self._program("ctr"), "-a", address, "-n", self.namespace, *args]

    def _program(self, name: str) -> str:
        found = shutil.which(name, path=self._env["PATH"])
        assert found is not None, name
        return found

    def _unpack_rootfs(self) -> None:
        binaries = self.folder / "rootfs" / "bin"
        binaries.mkdir(parents=True)
        shutil.copy(self._program("busybox"), binaries)

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                self.log.append(line)
                if "containerd successfully booted" in line:
                    self._booted.set()

    def _pid(self, container_id: str) -> int:
        for line in self.ctr("task", "ls").splitlines():
            name, pid, *_ = line.split()
            if name == container_id:
                return int(pid)
        raise RuntimeError(f"ctr lists no task {container_id}")

    def stop(self) -> None:
        """End the daemon; its shims and containers go on."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(GONE_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _forget_namespace(self) -> None:
        """Remove the empty folders that runc leaves behind for a namespace."""
        folders = [Path("/run/containerd/runc") / self.namespace]
        folders += Path("/sys/fs/cgroup").glob(f"*/{self.namespace}")
        folders.append(Path("/sys/fs/cgroup") / self.namespace)
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def shims(self, container_id: str) -> Iterator[int]:
        """The pids of the shims that were started for a container."""
        for pid, command in self._processes():
            if "-namespace" in command and f" {container_id} " in f" {command} ":
                yield pid

    def _processes(self) -> Iterator[tuple[int, str]]:
        """Those that have our folder on their command line; no others have it there."""
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal():
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if str(self.folder) in command:
                        yield int(entry.name), command


def _address(bundle: Path) -> str:
    """Where the shim listens; containerd notes it as text before 2.0, as JSON since."""
    with contextlib.suppress(FileNotFoundError):
        address: str = json.loads((bundle / "bootstrap.json").read_text())["address"]
        return address
    return (bundle / "address").read_text()


def _ends(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], GONE_TIMEOUT)[0])
