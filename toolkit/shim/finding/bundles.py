"""The bundles of a containerd: its state folders, and what each bundle says of its shim."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.shim.bootstrap import BootstrapError, read_bundle
from toolkit.shim.finding.running import DEFAULT_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.shim.finding.running import ShimProcess

__all__ = [
    "Bundle",
    "bundle_at",
    "bundles",
    "default_states",
    "stamps",
    "task_folders",
]

# Of a state folder, what holds bundles: NAMESPACE/ID each (containerd core/runtime/v2/bundle.go).
TASKS = ("io.containerd.runtime.v2.task", "io.containerd.sandbox.controller.v1.shim")


class Bundle(NamedTuple):
    """A bundle's folder, and what it says.

    Attributes:
        namespace: containerd's namespace, the folder's parent.
        id: of the container, the folder's name.
        path: the folder.
        root: what is before the path as the shim sees it.
        task: the version of the task API, 2 or 3; None where the bundle does not say.
        address: as the shim gave it, with the root before a path; empty where there is none.
        protocol: ``ttrpc`` or ``grpc``.
        problem: why there is no address, in words.
    """

    namespace: str
    id: str
    path: str
    root: str = ""
    task: int | None = None
    address: str = ""
    protocol: str = "ttrpc"
    problem: str = ""


def task_folders(states: Iterable[str], shims: Iterable[ShimProcess]) -> dict[str, str]:
    """The folders that hold ``NAMESPACE/ID``, each with its root: of states, and above shims."""
    found = {}
    for state in states:
        root = _root_of(state)
        for name in TASKS:
            found[_real(f"{state}/{name}", root)] = root
    for shim in shims:
        above = os.path.dirname(os.path.dirname(shim.bundle))  # noqa: PTH120
        if os.path.basename(above) in TASKS:  # noqa: PTH119
            found[shim.root + above] = shim.root
    return found


def default_states(more: Iterable[str] = ()) -> list[str]:
    """The state folder that containerd has if it is told none, and these."""
    return list(dict.fromkeys([DEFAULT_STATE, *more]))


def bundles(folder: str, root: str, namespace: str | None = None) -> Iterator[Bundle]:
    """The bundles below a folder, sorted; what this user may not see is left out."""
    for space in [namespace] if namespace is not None else _names(folder):
        for name in _names(f"{folder}/{space}"):
            yield bundle_at(f"{folder}/{space}/{name}", space, name, root)


def bundle_at(path: str, namespace: str, id: str, root: str = "") -> Bundle:
    """What a bundle says; never raises."""
    bundle = Bundle(namespace, id, path, root)
    try:
        found = read_bundle(Path(path))
    except BootstrapError as exc:
        return bundle._replace(problem=str(exc))
    except OSError as exc:
        return bundle._replace(problem=f"{exc.filename}: {exc.strerror}")
    if found is None:
        return bundle._replace(problem=f"{path} has neither bootstrap.json nor address")
    address = found.channel_address
    if root and address.startswith("unix:///"):
        address = f"unix://{root}{address.removeprefix('unix://')}"
    return bundle._replace(task=found.version, address=address, protocol=found.protocol)


def stamps(folders: Iterable[str]) -> dict[str, int]:
    """When each folder, namespace and bundle was last changed: an address was written, say."""
    found: dict[str, int] = {}
    for folder in folders:
        spaces = [f"{folder}/{name}" for name in _names(folder)]
        inside = [f"{space}/{name}" for space in spaces for name in _names(space)]
        for path in (folder, *spaces, *inside):
            with contextlib.suppress(OSError):
                found[path] = os.stat(path).st_mtime_ns  # noqa: PTH116
    return found


def _names(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            # containerd removes a bundle under another name first: a dot and the id.
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
    except OSError:
        return []


def _real(path: str, root: str) -> str:
    """The path as the kernel has it in a process's working folder."""
    return path if root else os.path.realpath(path)


def _root_of(path: str) -> str:
    """``/proc/PID/root`` of a path below it."""
    parts = path.split("/", 4)
    return "/".join(parts[:4]) if parts[1:2] == ["proc"] and parts[3:4] == ["root"] else ""
