"""The command line and environment of a shim: how containerd calls it, and how it reads that.

Go's flags: one dash or two, ``-id web`` or ``-id=web``, and the action is the first word that is
none. containerd/containerd, ``pkg/shim/shim.go`` and ``pkg/shim/util.go``.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "DEFAULT_SOCKET_DIR",
    "MAX_SOCKET_PATH",
    "Invocation",
    "InvocationError",
    "parse_arguments",
    "shim_binary",
    "socket_address",
]

DEFAULT_SOCKET_DIR = "/run/containerd/s"
MAX_SOCKET_PATH = 106  # bytes, containerd's own limit; sockaddr_un has room for 107


class InvocationError(ToolkitError):
    """The command line of a shim makes no sense."""


class Invocation(NamedTuple):
    """One call of a shim's binary.

    Attributes:
        action: ``start`` or ``delete``; empty for the server that ``start`` leaves running.
        namespace: containerd's namespace.
        id: of the container or sandbox.
        bundle: its folder; ``start`` is called in it, ``delete`` is told it.
        address: containerd's gRPC socket, a path.
        publish_binary: containerd's own program, which old shims published through.
        socket: where to listen; empty for the descriptor that ``start`` passed on.
        debug: whether to log more.
        info: whether only ``-info`` is asked for.
        version: whether only ``-v`` is.
    """

    action: str = ""
    namespace: str = ""
    id: str = ""
    bundle: str = ""
    address: str = ""
    publish_binary: str = ""
    socket: str = ""
    debug: bool = False
    info: bool = False
    version: bool = False

    def arguments(self) -> list[str]:
        """The words behind the program's name, in containerd's order."""
        words = []
        pairs = {
            "namespace": self.namespace,
            "address": self.address,
            "publish-binary": self.publish_binary,
            "id": self.id,
            "socket": self.socket,
            "bundle": self.bundle,
        }
        always = ("namespace", "address", "publish-binary", "id")
        for name, value in pairs.items():
            if value or name in always:
                words += [f"-{name}", value]
        if self.debug:
            words.append("-debug")
        return [*words, self.action] if self.action else words

    def environment(self, ttrpc_address: str = "") -> dict[str, str]:
        """What containerd adds to the environment of a shim."""
        return {
            "GOMAXPROCS": "2",
            "MAX_SHIM_VERSION": "2",
            "TTRPC_ADDRESS": ttrpc_address or (f"{self.address}.ttrpc" if self.address else ""),
            "GRPC_ADDRESS": self.address,
            "NAMESPACE": self.namespace,
        }


_TEXTS = {
    "namespace": "namespace",
    "id": "id",
    "bundle": "bundle",
    "address": "address",
    "publish-binary": "publish_binary",
    "socket": "socket",
    "debug-socket": "",  # of Go's profiler
}
_SWITCHES = {"debug": "debug", "info": "info", "v": "version", "version": "version"}
_TRUE, _FALSE = ("1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


def parse_arguments(words: Sequence[str]) -> Invocation:
    """The call that a command line stands for, without the program's name.

    Raises:
        InvocationError: an unknown flag, a flag without its value.
    """
    found: dict[str, str | bool] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-") or word == "-":
            found["action"] = word
            break
        if word == "--":
            found["action"] = next(rest, "")
            break
        name, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
        if name in _SWITCHES:
            found[_SWITCHES[name]] = _switch(word, value) if equals else True
        elif name in _TEXTS:
            found[_TEXTS[name]] = value if equals else _next(word, rest)
        else:
            known = ", ".join(f"-{name}" for name in sorted({*_TEXTS, *_SWITCHES}))
            raise InvocationError(f"unknown flag {word!r}; known are {known}")
    found.pop("", None)
    return Invocation(**found)  # type: ignore[arg-type]  # names and types are those of the tables


def _switch(word: str, value: str) -> bool:
    if value not in _TRUE + _FALSE:
        raise InvocationError(f"{word!r}: wanted true or false")
    return value in _TRUE


def _next(word: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise InvocationError(f"{word} wants a value")
    return value


def socket_address(
    namespace: str, id: str, *, address: str, socket_dir: str = DEFAULT_SOCKET_DIR
) -> str:
    """Where a shim is to listen, as containerd computes it: ``unix:///run/containerd/s/HASH``.

    Args:
        namespace: containerd's namespace.
        id: of the container, or of the group that shares a shim.
        address: containerd's gRPC socket, so that two daemons do not meet.
        socket_dir: the folder; containerd 2.3 and later may say another.

    Raises:
        InvocationError: the path is longer than a socket's may be.
    """
    # Go's filepath.Join drops empty parts and cleans the whole.
    parts = [part for part in (address, namespace, id) if part]
    joined = posixpath.normpath("/".join(parts)) if parts else ""
    if joined.startswith("//"):  # POSIX keeps two slashes, Go does not
        joined = joined[1:]
    path = f"{socket_dir}/{hashlib.sha256(joined.encode()).hexdigest()}"
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise InvocationError(
            f"socket path of {len(os.fsencode(path))} bytes, longer than {MAX_SOCKET_PATH}: "
            f"{path}; a shorter socket folder helps"
        )
    return f"unix://{path}"


def shim_binary(runtime: str) -> str:
    """The program of a runtime: ``io.containerd.runc.v2`` is ``containerd-shim-runc-v2``.

    A path, and what has no dot in it, is a program already.
    """
    if "/" in runtime or "." not in runtime:
        return runtime
    *_, name, version = runtime.split(".")
    return f"containerd-shim-{name}-{version}"
