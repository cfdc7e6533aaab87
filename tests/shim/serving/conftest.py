"""A small shim, as a program of its own, and what containerd does with it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from toolkit import sync
from toolkit.shim.bootstrap import PARAMS, parse_reply
from toolkit.shim.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE = "tests"

SHIM = """\
#!{python}
import json, os, sys
from pathlib import Path
from toolkit.shim.serving import run


class Task:
    def __init__(self, context):
        self.context = context

    def Connect(self, request, context):
        return {{"shim_pid": os.getpid()}}

    def State(self, request, context):
        told = {{
            "modules": sorted(sys.modules),
            "options": self.context.options and self.context.options.type_url,
            "id": self.context.id,
            "namespace": self.context.namespace,
            "bundle": self.context.bundle,
            "debug": self.context.debug,
        }}
        return {{"id": json.dumps(told)}}

    def Kill(self, request, context):
        self.context.log.warning("log %s", request.signal)

    def Shutdown(self, request, context):
        self.context.shutdown()

    def close(self):
        Path("closed").touch()


def make(context):
    {factory}
    return Task(context)


sys.exit(run(make, name="io.containerd.small.v1", version="7", socket_dir={folder!r}{extra}))
"""


class Small:
    """The shim, its bundles, and the folder for its sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sockets = folder / "s"
        self.program = folder / "containerd-shim-small-v1"
        self.schema = toolkit.load("containerd")
        self.write()

    def write(self, *, factory: str = "pass", extra: str = "") -> None:
        """Write the program, with a statement in its factory, and more arguments of ``run``."""
        values = {"python": sys.executable, "folder": str(self.sockets)}
        self.program.write_text(SHIM.format(factory=factory, extra=extra, **values))
        self.program.chmod(0o755)

    def bundle(self, id: str, **annotations: str) -> Path:
        """A bundle, made if it is not there."""
        folder = self.folder / "bundles" / id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"annotations": annotations}))
        return folder

    def invocation(self, action: str, id: str) -> Invocation:
        address = str(self.folder / "containerd.sock")
        return Invocation(action, NAMESPACE, id, address=address)

    def params(self, id: str, **more: Any) -> bytes:
        """What containerd 2.3 and later write to stdin."""
        message = self.schema.message(PARAMS)(
            instance_id=id,
            namespace=NAMESPACE,
            containerd_grpc_address=str(self.folder / "containerd.sock"),
            **more,
        )
        data: bytes = message.SerializeToString()
        return data

    def call(
        self,
        *words: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """One run of the program, as containerd has it: stdout and stderr are one."""
        names = ("MAX_SHIM_VERSION", "TTRPC_ADDRESS", "GRPC_ADDRESS", "NAMESPACE")
        clean = {name: value for name, value in os.environ.items() if name not in names}
        return subprocess.run(
            [str(self.program), *words],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd or self.folder,
            env=clean | (env or {}),
            timeout=15,
            check=False,
        )

    def start(
        self, id: str = "web", *, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """``start`` in the bundle of a container."""
        words = self.invocation("start", id).arguments()
        data = self.params(id) if stdin is None else stdin
        return self.call(*words, stdin=data, cwd=self.bundle_of(id), env=env)

    def bundle_of(self, id: str) -> Path:
        found = self.folder / "bundles" / id
        return found if found.is_dir() else self.bundle(id)

    def started(self, id: str = "web", **options: Any) -> str:
        """The address of a shim that has been started."""
        done = self.start(id, **options)
        assert done.returncode == 0, done.stdout
        return parse_reply(done.stdout).address

    def servers(self) -> list[int]:
        """The pids of the shims that run."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes()
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if os.fsencode(self.program) in words and state not in "ZX":
                found.append(int(entry.name))
        return found

    def task(self, channel: sync.Channel, version: int = 3) -> sync.Client:
        return channel.client(self.schema.service(f"containerd.task.v{version}.Task"))

    def told(self, address: str) -> dict[str, Any]:
        """What the running shim tells of itself."""
        with sync.connect(address, timeout=5) as channel:
            told: dict[str, Any] = json.loads(self.task(channel).State(id="web", timeout=5).id)
        return told


@pytest.fixture
def small() -> Iterator[Small]:
    # Not under pytest's folder: the path of a unix socket ends at 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="shim-"))
    shim = Small(folder)
    try:
        yield shim
    finally:
        for pid in shim.servers():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(folder)
