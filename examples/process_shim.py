"""Run a shim whose containers are plain processes of this host.

python examples/process_shim.py unix:///tmp/task.sock
"""

import signal
import sys

import toolkit
from toolkit.shim.process import make_server


def main(address: str) -> None:
    server = make_server(toolkit.load("containerd"))
    with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        server.serve_forever()  # until a Shutdown, Ctrl-C or SIGTERM; no container outlives it


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
