"""Run a container by its shim, without containerd: a bundle's program from start to end.

mkdir -p /tmp/hello/rootfs && tar -C /tmp/hello/rootfs -xf ROOTFS.tar
cd /tmp/hello && runc spec          # then set "terminal" to false in config.json
python examples/run_container.py /tmp/hello [containerd-shim-runc-v2]
"""

import sys
from pathlib import Path

from toolkit import shim


def main(bundle: Path, binary: str = "containerd-shim-runc-v2") -> int:
    output = bundle / "output"
    with shim.start(bundle, id="hello", binary=binary) as running:
        output.touch()  # a file that is there takes what is written; a fifo would do too
        task = running.task
        task.Create(id="hello", bundle=str(bundle), stdout=str(output), stderr=str(output))
        task.Start(id="hello")
        ended = task.Wait(id="hello")
        task.Delete(id="hello")
    print(output.read_text(), end="")
    print("ended with", ended.exit_status, "after", *[event.topic for event in running.events])
    return int(ended.exit_status)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]).absolute(), *sys.argv[2:]))
