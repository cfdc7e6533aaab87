"""``start``, the server behind it, and ``-info``."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.schema.load import load
from toolkit.shim.invocation import socket_address
from toolkit.shim.serving.detaching import Child, adjust_oom_score, detach
from toolkit.shim.serving.grouping import group_of
from toolkit.shim.serving.listening import claim, inherited
from toolkit.shim.serving.request import MAX_INPUT, answer, options_in, read_request
from toolkit.shim.serving.server import ShimServer
from toolkit.shim.serving.sockets import write_address

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema
    from toolkit.shim.invocation import Invocation
    from toolkit.shim.serving.context import Program
    from toolkit.shim.serving.detaching import Birth
    from toolkit.shim.serving.request import StartRequest
    from toolkit.sockets.listening import Bound

__all__ = ["serve", "start", "tell_info"]

logger = logging.getLogger(__name__)


def start(invocation: Invocation, program: Program) -> int:
    """Answer where the shim of this bundle listens; leave a server behind if it is a new one."""
    schema = load("containerd")
    request = read_request(_read_stdin(), invocation, os.environ, schema)
    bundle = Path.cwd()
    address = socket_address(
        request.namespace,
        group_of(bundle, request.id),
        address=request.address,
        socket_dir=request.socket_dir or program.socket_dir,
    )
    reply = answer(address, request.caller, schema)
    bound = claim(address).bound
    if bound is not None:
        child = detach()
        if not isinstance(child, Child):
            return _serve_detached(request, bound, schema, program, child)
        _await(child, bound)
    write_address(bundle, address)
    os.write(1, reply)
    return 0


def serve(invocation: Invocation, program: Program) -> int:
    """Serve on a socket that somebody else has made, or at ``-socket``, until the end."""
    request = read_request(b"", invocation, os.environ, load("containerd"))
    bound = inherited(invocation.socket)
    ShimServer(request, bound, load("containerd")).serve(program.factory, ready=lambda: None)
    return 0


def tell_info(program: Program) -> int:
    """Print a ``RuntimeInfo``, with the options as they came unless ``info`` says more."""
    options = options_in(_read_stdin())
    values: dict[str, Any] = {"name": program.name, "version": {"version": program.version}}
    if options is not None:
        values["options"] = {"type_url": options.type_url, "value": options.value}
    if program.info is not None:
        values.update(program.info(options))
    message = load("containerd").message("containerd.types.RuntimeInfo")(**values)
    os.write(1, message.SerializeToString())
    return 0


def _serve_detached(
    request: StartRequest, bound: Bound, schema: Schema, program: Program, birth: Birth
) -> int:
    try:
        ShimServer(request, bound, schema).serve(program.factory, ready=birth.ready)
    except Exception as exc:
        logger.exception("the shim of %s ends", request.id)
        birth.failed(f"{type(exc).__name__}: {exc}")
        return 1
    return 0


def _await(child: Child, bound: Bound) -> None:
    try:
        adjust_oom_score(child.pid)
        child.await_ready()
    except BaseException:
        bound.unlink()
        raise
    finally:
        bound.sock.close()


def _read_stdin() -> bytes:
    return sys.stdin.buffer.read(MAX_INPUT + 1)
