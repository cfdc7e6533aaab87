"""With asyncio, ask a shim who it is, then tell it to shut down; with a container it stays.

python examples/connect_async.py unix:///run/containerd/s/1f2e… my-container
"""

import asyncio
import sys

import toolkit
from toolkit import aio

SCHEMA = toolkit.load("containerd")


async def main(address: str, container_id: str) -> None:
    async with aio.connect(address, timeout=5) as channel:
        try:
            await connect(channel, "containerd.task.v3.Task", container_id)
        except toolkit.RpcError as error:
            if error.code is not toolkit.Code.UNIMPLEMENTED:
                raise
            await connect(channel, "containerd.task.v2.Task", container_id)  # before containerd 2.0


async def connect(channel: aio.Channel, service: str, container_id: str) -> None:
    task = channel.client(SCHEMA.service(service))
    reply = await task.Connect(id=container_id, timeout=5)
    print(f"{service}: shim pid {reply.shim_pid}, task pid {reply.task_pid}")
    await task.Shutdown(id=container_id, timeout=5)
    print("shut down")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(*sys.argv[1:]))
