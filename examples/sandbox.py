"""A sandbox in memory, as a shim serves it to containerd, and a client that takes it through life.

python examples/sandbox.py serve unix:///tmp/sandbox.sock
python examples/sandbox.py drive unix:///tmp/sandbox.sock
"""

import os
import sys
import threading
from typing import Any

import toolkit
from toolkit import sync
from toolkit.shim.hosting.metrics import cgroup_metrics
from toolkit.shim.sandboxes.service import SANDBOX_SERVICE, SandboxService

SANDBOX = toolkit.load("containerd").service(SANDBOX_SERVICE)


class Pod(SandboxService):
    """This process stands for the sandbox: a real one starts something in `start`."""

    def start(self, request: Any) -> int:
        print("started", request.sandbox_id, flush=True)
        return os.getpid()

    def stop(self, timeout: float | None) -> int:
        print("stopped; the time for it was", timeout or "not limited", flush=True)
        return 0  # the exit status that WaitSandbox tells

    def metrics(self, schema: Any) -> Any:
        return cgroup_metrics(schema, [os.getpid()])


def serve(address: str) -> None:
    server = sync.Server()

    def stop() -> None:  # in a thread: the call that asks for it has to be answered first
        threading.Thread(target=server.shutdown, args=(5,)).start()

    server.add(SANDBOX, Pod(on_shutdown=stop))
    with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        server.serve_forever()


def drive(address: str) -> None:
    with sync.connect(address, timeout=5) as channel:
        sandbox = channel.client(SANDBOX)
        name: dict[str, Any] = {"sandbox_id": "pod"}
        sandbox.CreateSandbox(name, timeout=5)
        sandbox.StartSandbox(name, timeout=5)
        print("platform:", sandbox.Platform(name, timeout=5).platform.os)
        print("state:", sandbox.SandboxStatus(name, timeout=5).state)

        def wait() -> None:
            print("exit status:", sandbox.WaitSandbox(name).exit_status)

        waiter = threading.Thread(target=wait)
        waiter.start()
        sandbox.StopSandbox(name, timeout=5)
        waiter.join()
        print("state:", sandbox.SandboxStatus(name, timeout=5).state)
        sandbox.ShutdownSandbox(name, timeout=5)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", address]:
            serve(address)
        case ["drive", address]:
            drive(address)
        case _:
            sys.exit(__doc__)
