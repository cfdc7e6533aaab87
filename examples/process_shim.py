#!/usr/bin/env python3
"""Run a shim whose containers are plain processes of this host.

On its own, for any Task client:

    python examples/process_shim.py unix:///tmp/task.sock

Or under containerd, as the runtime io.containerd.process.v1. Install it with the interpreter that
has the toolkit, in a folder that is on containerd's PATH:

    python examples/process_shim.py install /usr/local/bin
    ctr run --rootfs --runtime io.containerd.process.v1 /any/folder web sleep 60

The program of such a container is the host's, and so are its files: the root file system and the
mounts that containerd offers are left alone.
"""

import signal
import sys
from pathlib import Path

from toolkit.shim.serving import ShimContext, run

NAME = "io.containerd.process.v1"


def make(context: ShimContext) -> object:
    from toolkit.shim.process import make_shim  # not above: `delete` is quick without it

    return make_shim(context)


def serve(address: str) -> None:
    import toolkit
    from toolkit.shim.process import make_server

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = make_server(toolkit.load("containerd"))
    with server.listen(address) as listener:
        print("listening at", listener.address, flush=True)
        server.serve_forever()  # until a Shutdown, Ctrl-C or SIGTERM; no container outlives it


def install(folder: str) -> None:
    program = Path(folder) / "containerd-shim-process-v1"
    _, _, rest = Path(__file__).read_text().partition("\n")
    program.write_text(f"#!{sys.executable}\n{rest}")
    program.chmod(0o755)
    print("installed", program)


def main(words: list[str]) -> int:
    match words:
        case [address] if "://" in address:
            serve(address)
        case ["install", folder]:
            install(folder)
        case []:
            sys.exit(__doc__)
        case _:
            return run(make, name=NAME, version="1")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
