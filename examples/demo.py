"""The life of a container, call by call, as one would type it; ``make demo`` runs it."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TTRPC = [sys.executable, "-m", "toolkit"]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}  # a checkout need not be installed
WIDTH = 80
BOLD, DIM, PLAIN = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "", "")

SCHEMA = ["-s", "containerd@2.3"]
LOG = Path("serve.log")
CONFIG = """\
{
  "ociVersion": "1.1.0",
  "process": {
    "args": ["sleep", "1000"],
    "env": ["PATH=/usr/bin:/bin"],
    "cwd": "/"
  }
}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        os.chdir(folder)
        say("What is there to call? Any release of containerd is at hand.")
        ttrpc("list", "containerd.task.v3.Task", *SCHEMA)
        ttrpc("describe", "containerd.task.v3.StateRequest", *SCHEMA)

        say("A bundle, as every OCI runtime takes it.")
        write_bundle(Path("web"))
        say("A shim for it: containers are plain processes of this host.")
        server = serve()
        try:
            live(f"{folder}/web")
        finally:
            server.terminate()
            status = server.wait()
        if status:
            sys.exit(f"the shim ended with status {status}: {LOG.read_text()}")
        say("The shim has ended, and nothing is left of it.")


def write_bundle(bundle: Path) -> None:
    bundle.mkdir()
    config = bundle / "config.json"
    config.write_text(CONFIG)
    show(["cat", str(config)])
    print(CONFIG, end="")


def serve() -> subprocess.Popen[str]:
    command = ["serve", "./task.sock", *SCHEMA]
    show(["ttrpc", *command, "&"])
    with LOG.open("w") as log:
        server = subprocess.Popen(  # noqa: S603
            [*TTRPC, *command], stdout=subprocess.PIPE, stderr=log, text=True, env=ENV
        )
    assert server.stdout is not None
    with server.stdout as stdout:
        address = stdout.readline()  # comes once it listens
    if not address:
        sys.exit(f"the shim did not start: {LOG.read_text()}")
    print(address, end="", flush=True)
    return server


def live(bundle: str) -> None:
    call("Make a container. Its process waits, with a real pid.", "Create", bundle=bundle)
    call("Let it run its program.", "Start")
    call("How is it?", "State")
    call("Send it SIGTERM, which is 15.", "Kill", signal=15)
    call("How did it end? 143 is 128 + 15.", "Wait")
    call("Forget it.", "Delete")


def call(comment: str, method: str, **fields: object) -> None:
    say(comment)
    ttrpc("call", "./task.sock", method, "-d", json.dumps({"id": "web", **fields}))


def ttrpc(*arguments: str) -> None:
    show(["ttrpc", *arguments])
    done = subprocess.run([*TTRPC, *arguments], env=ENV)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)


def say(text: str) -> None:
    print(f"\n{BOLD}# {text}{PLAIN}", flush=True)


def show(command: list[str]) -> None:
    """Print a command as one would type it, broken where it is wider than a terminal."""
    words = [word if word == "&" else shlex.quote(word) for word in command]
    lines = ["$"]
    for word in words:
        if len(lines[-1]) + len(word) + 3 > WIDTH and lines[-1].strip():
            lines.append("   ")
        lines[-1] += f" {word}"
    print(DIM + " \\\n".join(lines) + PLAIN, flush=True)


if __name__ == "__main__":
    main()
