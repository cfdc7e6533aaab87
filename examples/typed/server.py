"""A Task service with asyncio and types: State and Connect answer, all else is unimplemented.

ttrpc codegen -s containerd@2.4 --service containerd.task.v3.Task --out examples/typed/shim_api
python examples/typed/server.py unix:///tmp/task.sock
"""

import asyncio
import os
import signal
import sys

from shim_api.containerd_task_v3 import (
    ConnectRequest,
    ConnectResponse,
    StateRequest,
    StateResponse,
    UnimplementedAsyncTaskService,
)

import toolkit
from toolkit import aio
from toolkit.rpc.context import Context

TASKS = {"web": StateResponse(id="web", pid=4242, status="RUNNING")}


class Task(UnimplementedAsyncTaskService):
    """Answers from a dict; a type checker compares each method with its RPC."""

    async def State(self, request: StateRequest, context: Context) -> StateResponse:
        return find(request.id, context)

    async def Connect(self, request: ConnectRequest, context: Context) -> ConnectResponse:
        return ConnectResponse(shim_pid=os.getpid(), task_pid=find(request.id, context).pid)


def find(task_id: str, context: Context) -> StateResponse:
    print(context.method.name, task_id, "from pid", context.peer.pid, flush=True)
    if task_id not in TASKS:
        raise toolkit.RpcError(toolkit.Code.NOT_FOUND, f"task {task_id!r}")
    return TASKS[task_id]


async def main(address: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = aio.Server()
    server.add(Task())
    async with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        await stop.wait()
        await server.shutdown(timeout=5)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1]))
