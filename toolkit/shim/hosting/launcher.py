"""Wait on a socket for a program, then become it: a pid that exists before its program runs.

Run as a script (``python -I -S launcher.py FD``), never imported. It says ``R`` when it is
ready, reads the program up to the end of the socket, and execs it; when that fails it sends
the error number back. A successful exec closes the socket.
"""

import os
import signal
import sys

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as every shell says it


def main(gate: int) -> None:
    os.set_inheritable(gate, False)  # noqa: FBT003  # takes it no other way
    # Python ignores the first two, and an ignored signal stays ignored over an exec; its SIGINT
    # handler would answer a Kill with a traceback.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    os.write(gate, b"R")
    with open(gate, "rb", closefd=False) as stream:
        program = stream.read()
    if program:  # nothing: the process that started us is gone, or has no use for us
        become(gate, program)


def become(gate: int, program: bytes) -> None:
    count, _, rest = program.partition(b"\n")
    words = rest.split(b"\0")[:-1]
    args, entries = words[: int(count)], words[int(count) :]
    env: dict[bytes, bytes] = {}
    for entry in entries:
        name, _, value = entry.partition(b"=")
        env[name] = value
    try:
        os.execvpe(args[0], args, env)  # noqa: S606  # to run it is what we are here for
    except OSError as exc:
        os.write(gate, b"%d" % (exc.errno or 0))
        sys.exit(NOT_EXECUTABLE if isinstance(exc, PermissionError) else NOT_FOUND)


if __name__ == "__main__":
    main(int(sys.argv[1]))
