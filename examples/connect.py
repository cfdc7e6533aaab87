"""Ask a shim who it is, then tell it to shut down; one that still has a container stays.

python examples/connect.py unix:///run/containerd/s/1f2e… my-container
"""

import sys

import toolkit
from toolkit import sync

SCHEMA = toolkit.load("containerd")


def main(address: str, container_id: str) -> None:
    with sync.connect(address, timeout=5) as channel:
        try:
            connect(channel, "containerd.task.v3.Task", container_id)
        except toolkit.RpcError as error:
            if error.code is not toolkit.Code.UNIMPLEMENTED:
                raise
            connect(channel, "containerd.task.v2.Task", container_id)  # before containerd 2.0


def connect(channel: sync.Channel, service: str, container_id: str) -> None:
    task = channel.client(SCHEMA.service(service))
    reply = task.Connect(id=container_id, timeout=5)
    print(f"{service}: shim pid {reply.shim_pid}, task pid {reply.task_pid}")
    task.Shutdown(id=container_id, timeout=5)
    print("shut down")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
