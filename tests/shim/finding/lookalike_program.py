"""The program of a process that looks like a shim; it ends with its stdin."""

from __future__ import annotations

import os
import socket
import sys
import threading
from typing import Any

MODE, SOCKET = os.environ["MODE"], os.environ["SOCKET"]


class Task:
    """What a shim says of its one container."""

    def Connect(self, request: Any, context: Any) -> dict[str, Any]:
        return {"shim_pid": os.getpid(), "task_pid": os.getpid(), "version": "lookalike"}

    def State(self, request: Any, context: Any) -> dict[str, Any]:
        return {"id": request.id, "pid": os.getpid(), "status": "RUNNING"}

    def Pids(self, request: Any, context: Any) -> dict[str, Any]:
        return {"processes": [{"pid": os.getpid()}]}


def listen(path: str = SOCKET) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"\0{path[1:]}" if path.startswith("@") else path)
    listener.listen(1024)
    return listener


def hang_up(listener: socket.socket) -> None:
    while True:
        listener.accept()[0].close()


def serve(version: int) -> None:
    import toolkit
    from toolkit import sync

    server = sync.Server()
    server.add(toolkit.load("containerd").service(f"containerd.task.v{version}.Task"), Task())
    with server.listen(f"unix://{SOCKET}"):
        run(server.serve_forever)


def run(target: Any, *arguments: Any) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()
    ready()


def ready() -> None:
    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


if MODE.startswith("serve"):
    serve(int(MODE.removeprefix("serve")))
elif MODE == "hangup":
    run(hang_up, listen())
elif SOCKET:
    held = [listen(path) for path in SOCKET.split(os.pathsep)]
    if MODE == "fork" and os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
    ready()
else:
    ready()
