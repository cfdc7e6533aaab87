"""Processes that look like shims, and those of containerd, as ``/proc`` has them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from toolkit.shim.invocation import InvocationError, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "DEFAULT_STATE",
    "Namespaces",
    "Processes",
    "ShimProcess",
    "held_sockets",
    "namespaces_of",
    "parent_of",
    "pids",
    "process_state",
    "processes",
    "shim_process",
]

DEFAULT_STATE = "/run/containerd"
CONFIG = "/etc/containerd/config.toml"  # where containerd looks if it is told nothing
_FLAGS = ("namespace", "id", "address", "publish-binary", "bundle", "socket", "debug")
_DELETED = " (deleted)"


class ShimProcess(NamedTuple):
    """A process whose command line is that of a shim which serves.

    Attributes:
        pid: its number.
        namespace: containerd's namespace, by its command line.
        id: of its container; of the first of them where several share it.
        containerd: the path of the gRPC socket of the containerd that started it.
        binary: the path of its program; of the script where an interpreter runs it.
        bundle: its working folder, also when that is gone; empty where it may not be seen.
        root: what to put before its paths: empty where it sees the files that we see.
    """

    pid: int
    namespace: str
    id: str
    containerd: str
    binary: str
    bundle: str
    root: str


class Processes(NamedTuple):
    """What ``/proc`` tells at one time.

    Attributes:
        shims: the processes that look like shims.
        states: the state folders of the containerds that run.
    """

    shims: list[ShimProcess]
    states: list[str]


def processes() -> Processes:
    """The shims and containerds of this host; what may not be looked into is left out."""
    shims: list[ShimProcess] = []
    states: dict[str, None] = {}
    roots = _Roots()
    for pid in pids():
        words = _words(pid)
        if not words:
            continue
        found = _as_shim(pid, words, roots)
        if found is not None:
            shims.append(found)
        elif os.path.basename(words[0]) == "containerd":  # noqa: PTH119  # of every process
            states[_state_of(roots.of(pid), words)] = None
    return Processes(shims, list(states))


def shim_process(pid: int) -> ShimProcess | None:
    """What its command line says of a process, if that is a shim's."""
    return _as_shim(pid, _words(pid), _Roots())


def pids() -> list[int]:
    """Every process that this user may know of."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]  # noqa: PTH208


def process_state(pid: int) -> str:
    """The letter for what a process does: R, S, D, T, Z …; empty where there is none."""
    fields = _stat(pid)
    return fields[0].decode() if fields else ""


def parent_of(pid: int) -> int | None:
    """The process that a process reports its end to; None where there is none."""
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[bytes]:
    """The fields of ``/proc/PID/stat`` behind the name; none where there is no process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  # of thousands
            text = file.read()
    except OSError:
        return []
    # The second field is the name in parentheses, and may itself hold blanks and parentheses.
    return text[text.rindex(b")") + 2 :].split()


def held_sockets(pid: int) -> list[int] | None:
    """The inodes of the sockets that a process has open, in order of their descriptors.

    None where it may not be looked into.
    """
    found: list[tuple[int, int]] = []
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            for entry in entries:
                link = _link(entry.path)
                if link.startswith("socket:["):
                    found.append((int(entry.name), int(link[8:-1])))
    except PermissionError:
        return None
    except OSError:  # it has ended
        return []
    return [inode for _, inode in sorted(found)]


class Namespaces(NamedTuple):
    """What names the namespaces of a process, in the kernel."""

    network: int
    mount: int


def namespaces_of(pid: int | str) -> Namespaces | None:
    """Those of a process, or of ``self``; None where they may not be seen."""
    try:
        network, mount = (os.stat(f"/proc/{pid}/ns/{kind}").st_ino for kind in ("net", "mnt"))  # noqa: PTH116
    except OSError:
        return None
    return Namespaces(network, mount)


def _as_shim(pid: int, words: list[str], roots: _Roots) -> ShimProcess | None:
    first = next((n for n, word in enumerate(words) if _is_flag(word)), 0)
    if not first:  # none, or in the place of the program's name
        return None
    try:
        found = parse_arguments(words[first:])
    except InvocationError:
        return None
    if not found.namespace or not found.id or found.action or found.info or found.version:
        return None
    executable = _link(f"/proc/{pid}/exe").removesuffix(_DELETED)
    script = words[first - 1] if first > 1 else ""
    return ShimProcess(
        pid,
        found.namespace,
        found.id,
        found.address,
        script or executable or words[0],
        _link(f"/proc/{pid}/cwd").removesuffix(_DELETED),
        roots.of(pid),
    )


def _is_flag(word: str) -> bool:
    name = word.removeprefix("-").removeprefix("-").partition("=")[0]
    return word.startswith("-") and name in _FLAGS


def _words(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123  # of thousands
            text = file.read()
    except OSError:
        return []
    return os.fsdecode(text).removesuffix("\0").split("\0") if text else []


class _Roots:
    """Where the files are that processes see, by way of their own ``/proc`` entries."""

    def __init__(self) -> None:
        self._own = namespaces_of("self")
        self._known: dict[int, str] = {}  # by mount namespace: one spelling for all in it

    def of(self, pid: int) -> str:
        """Empty for a process that sees the files that we see, or that may not be looked into."""
        theirs = namespaces_of(pid)
        if theirs is None or self._own is None or theirs.mount == self._own.mount:
            return ""
        return self._known.setdefault(theirs.mount, f"/proc/{pid}/root")


def _state_of(root: str, words: list[str]) -> str:
    """The state folder of a containerd, by its command line or its configuration."""
    flags = dict(_flags(words[1:]))
    state = flags.get("state")
    if state is None:
        state = _configured(root + flags.get("config", flags.get("c", CONFIG)))
    return root + state


def _flags(words: list[str]) -> Iterator[tuple[str, str]]:
    rest = iter(words)
    for word in rest:
        name, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name in {"state", "config", "c"}:
            yield name, value if equals else next(rest, "")


def _configured(path: str) -> str:
    import tomllib  # 5 ms that only a host with containerd pays

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            return DEFAULT_STATE
        with open(path, "rb") as file:  # noqa: PTH123
            state = tomllib.load(file).get("state")
    except (OSError, ValueError):
        return DEFAULT_STATE
    return state if isinstance(state, str) and state.startswith("/") else DEFAULT_STATE


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  # thousands of them, as text
    except OSError:
        return ""
