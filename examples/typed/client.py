"""Ask a task for its state, with types that mypy and pyright know.

ttrpc codegen -s containerd@2.4 --service containerd.task.v3.Task --out examples/typed/shim_api
python examples/typed/client.py unix:///tmp/task.sock web
"""

import sys

from shim_api.containerd_task_v3 import TaskClient
from shim_api.containerd_v1_types import Status

import toolkit
from toolkit import sync


def main(address: str, task_id: str) -> None:
    with sync.connect(address, timeout=5) as channel:
        state = TaskClient(channel).State(id=task_id, timeout=5)

    print(state.id, state.pid, Status.Name(state.status))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2])
    except toolkit.RpcError as error:
        sys.exit(f"State: {error}")
