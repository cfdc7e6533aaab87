"""Call a Task service with asyncio, with metadata and a deadline, and see a call fail.

python examples/client_async.py unix:///tmp/shim-proto-ttrpc-001
"""

import asyncio
import sys

import toolkit
from toolkit import aio

TASK = toolkit.load("containerd").service("containerd.task.v3.Task")
METADATA = {"key-1": ["value-1-1", "value-1-2"], "key-2": "value-2"}


async def main(address: str) -> None:
    async with aio.connect(address, timeout=5) as channel:
        task = channel.client(TASK)

        reply = await task.Create(id="id1", metadata=METADATA, timeout=1)
        print(f"Create: pid {reply.pid:#x}")

        try:
            await task.Start(id="id1", timeout=1)
        except toolkit.RpcError as error:
            print("Start:", error)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
