"""Shims that misbehave, as executable scripts, and bundles for them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SHIMS", "bundle", "left_of", "write_shim"]

_SERVER = f"""\
#!{sys.executable} -S
import os, socket, sys
words = sys.argv[1:]
if words[-1] == "delete":
    sys.stdout.buffer.write(bytes.fromhex("080710b701"))  # pid 7, exit status 183
    open("cleaned", "w").close()
    sys.exit()
server = socket.socket(socket.AF_UNIX)
path = os.getcwd() + "/s"
server.bind(path)
server.listen()
if os.fork():
    print("unix://" + path, end="")
    sys.exit()
os.setsid()
null = os.open(os.devnull, os.O_RDWR)
for number in range(3):
    os.dup2(null, number)
"""

# A child whose command line is a shim's, as that of the server behind a real `start`.
_LEAVING = f"""\
#!{sys.executable} -S
import os, subprocess, sys
if sys.argv[-1] == "start":
    subprocess.Popen(
        [sys.executable, "-S", "-c", "import signal; signal.pause()", *sys.argv[1:-1]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
"""

# What each does between its start and its end; `delete` cleans up in all of them but those that
# have no server.
SHIMS: Mapping[str, str] = {
    "noisy": "#!/bin/sh\necho 'starting up, please wait'\necho unix:///run/x\n",
    "fails": "#!/bin/sh\necho 'no such runtime' >&2\nexit 3\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
    "hangs": "#!/bin/sh\nexec sleep 1000\n",
    "endless": "#!/bin/sh\nexec cat /dev/zero\n",
    "silent": "#!/bin/sh\nexit 0\n",
    "version 7": '#!/bin/sh\nprintf \'{"version":7,"address":"unix:///s","protocol":"ttrpc"}\'\n',
    "grpc": '#!/bin/sh\nprintf \'{"version":3,"address":"unix:///s","protocol":"grpc"}\'\n',
    "nowhere": "#!/bin/sh\nprintf unix:///nowhere/s\n",
    "leaves one": f"{_LEAVING}print('garbage')\n",
    "dies in a call": _SERVER + "peer = server.accept()[0]\npeer.recv(1)\nos._exit(1)\n",
    "never answers 3": _SERVER.replace(
        'print("unix://" + path, end="")',
        """print('{"version":3,"address":"unix://' + path + '"}')""",
    )
    + "peer = server.accept()[0]\nwhile peer.recv(1 << 16): pass\n",
    "never answers": _SERVER + "peer = server.accept()[0]\nwhile peer.recv(1 << 16): pass\n",
}


def write_shim(folder: Path, name: str) -> str:
    """The path of one of them."""
    path = folder / f"containerd-shim-{name.replace(' ', '-')}-v1"
    path.write_text(SHIMS[name])
    path.chmod(0o755)
    return str(path)


def bundle(folder: Path) -> Path:
    """A bundle that only has to be there."""
    place = folder / "bundle"
    place.mkdir()
    (place / "config.json").write_text("{}")
    return place


def left_of(place: Path) -> list[str]:
    """What is there because of a shim in this bundle: processes, and files but for config.json."""
    found = [name.name for name in place.iterdir() if name.name not in ("config.json", "cleaned")]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if folder == place:
                found.append((entry / "cmdline").read_text())
    return found
