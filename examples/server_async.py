"""A Task service with asyncio: Create answers a pid, all other methods are unimplemented.

python examples/server_async.py unix:///tmp/shim-proto-ttrpc-001
"""

import asyncio
import sys
from typing import Any

import toolkit
from toolkit import aio

TASK = toolkit.load("containerd").service("containerd.task.v3.Task")


class FakeTask:
    """Methods are named as the RPCs, and answer a message or a mapping of its fields."""

    async def Create(self, request: Any, context: Any) -> dict[str, int]:
        print("Create", request.id)
        for key in context.metadata:
            print(" ", key, context.metadata.get_all(key), flush=True)
        return {"pid": 0x10C0}

    async def Connect(self, request: Any, context: Any) -> dict[str, Any]:
        print("Connect", request.id, "from pid", context.peer.pid, flush=True)
        return {"version": "example"}


async def main(address: str) -> None:
    server = aio.Server()
    server.add(TASK, FakeTask())
    async with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
