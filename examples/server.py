"""A Task service of one's own: Create answers a pid, all other methods are unimplemented.

python examples/server.py unix:///tmp/shim-proto-ttrpc-001
"""

import sys
from typing import Any

import toolkit
from toolkit import sync

TASK = toolkit.load("containerd").service("containerd.task.v3.Task")


class FakeTask:
    """Methods are named as the RPCs, and answer a message or a mapping of its fields."""

    def Create(self, request: Any, context: Any) -> dict[str, int]:
        print("Create", request.id)
        for key in context.metadata:
            print(" ", key, context.metadata.get_all(key), flush=True)
        return {"pid": 0x10C0}

    def Connect(self, request: Any, context: Any) -> dict[str, Any]:
        print("Connect", request.id, "from pid", context.peer.pid, flush=True)
        return {"version": "example"}


def main(address: str) -> None:
    server = sync.Server()
    server.add(TASK, FakeTask())
    with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
