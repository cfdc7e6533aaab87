"""The whole program of a shim: what containerd calls it with, and what it does then."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.shim.invocation import DEFAULT_SOCKET_DIR, InvocationError, parse_arguments
from toolkit.shim.serving.context import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.shim.invocation import Invocation
    from toolkit.shim.serving.context import Bundle, ShimContext
    from toolkit.shim.serving.records import Ended

__all__ = ["run"]


def run(
    factory: Callable[[ShimContext], object],
    *,
    name: str,
    version: str = "",
    cleanup: Callable[[Bundle], Ended | None] | None = None,
    info: Callable[[Any | None], Mapping[str, Any]] | None = None,
    socket_dir: str = DEFAULT_SOCKET_DIR,
    arguments: Sequence[str] | None = None,
) -> int:
    """Do what containerd asks for on the command line; the program's exit status.

    ``start`` leaves a server behind in a process of its own, where this function returns too, once
    the server has ended. What it prints is the answer and nothing else, and so must ``factory``
    and the modules that it imports print nothing.

    Args:
        factory: makes the object with the methods of the Task service, named as its RPCs, and
            those of Sandbox if it has any; in the server's process. A ``close`` that it has is
            called at the end.
        name: of the runtime, such as ``io.containerd.mine.v1``.
        version: of the runtime, for ``-v`` and ``-info``.
        cleanup: ends what is left of a container whose shim has died, and tells how it ended. By
            default all processes that ``Records`` has noted in the bundle are killed.
        info: what ``-info`` tells beside name and version: fields of
            ``containerd.types.RuntimeInfo``; it is given the options, an Any or None.
        socket_dir: the folder for sockets, where containerd names none.
        arguments: those of the program, by default.
    """
    program = Program(factory, name, version, cleanup, info, socket_dir)
    file = Path(sys.argv[0]).name
    try:
        invocation = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        if invocation.version:
            return _print_version(file, program)
        if invocation.info:
            from toolkit.shim.serving.actions import tell_info

            return tell_info(program)
        return _act(invocation, program)
    except ToolkitError as exc:
        return _fail(file, str(exc))
    except OSError as exc:
        return _fail(file, f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc))
    except Exception as exc:  # noqa: BLE001  # what is printed is shown; a traceback helps nobody
        return _fail(file, f"{type(exc).__name__}: {exc}")


def _act(invocation: Invocation, program: Program) -> int:
    for flag, value in (("-namespace", invocation.namespace), ("-id", invocation.id)):
        if not value:
            raise InvocationError(f"{flag} is missing")
    # Each imports what it needs: 100 ms of protobuf and its like are not for `delete`.
    match invocation.action:
        case "start":
            from toolkit.shim.serving.actions import start

            return start(invocation, program)
        case "delete":
            from toolkit.shim.serving.deleting import delete

            return delete(invocation, program)
        case "":
            from toolkit.shim.serving.actions import serve

            return serve(invocation, program)
        case other:
            raise InvocationError(f"unknown action {other!r}; known are start and delete")


def _fail(file: str, reason: str) -> int:
    os.write(2, f"{file}: {reason}\n".encode("utf-8", "replace"))
    return 1


def _print_version(file: str, program: Program) -> int:
    python = ".".join(map(str, sys.version_info[:3]))
    text = f"{file}:\n  Runtime:  {program.name}\n  Version:  {program.version or 'unknown'}\n"
    os.write(1, f"{text}  Python:   {python}\n".encode())
    return 0
