"""Which process serves which bundle, and which ones serve none that is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from toolkit.errors import AddressError
from toolkit.rpc.address import parse
from toolkit.shim.bundle import BINARY_FILE
from toolkit.shim.finding.bundles import bundle_at
from toolkit.shim.finding.found import Found
from toolkit.shim.finding.running import parent_of
from toolkit.shim.invocation import InvocationError, socket_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.shim.finding.bundles import Bundle
    from toolkit.shim.finding.listeners import Listeners
    from toolkit.shim.finding.running import ShimProcess

__all__ = ["Matching"]


class Matching:
    """Puts bundles and processes together, by the sockets that they name and hold."""

    def __init__(self, shims: Sequence[ShimProcess], listeners: Listeners) -> None:
        self._listeners = listeners
        self._by_pid = {shim.pid: shim for shim in shims}
        self._by_name: dict[tuple[str, str], list[ShimProcess]] = {}
        for shim in shims:
            if not self._is_copy(shim):
                self._by_name.setdefault((shim.namespace, shim.id), []).append(shim)

    def found(self, told: Iterable[Bundle]) -> Iterator[Found]:
        """The bundles with their processes, then the processes without a bundle among them."""
        matched: set[int] = set()
        for bundle in told:
            pid = self._owner(bundle)
            if pid is not None:
                matched.add(pid)
            yield self._of_bundle(bundle, pid)
        for shims in self._by_name.values():
            for shim in shims:
                if shim.pid not in matched:
                    yield self._alone(shim)

    def _is_copy(self, shim: ShimProcess) -> bool:
        """Whether it is the child of a shim that has not yet become the program it is to run."""
        parent = self._by_pid.get(parent_of(shim.pid) or 0)
        return parent is not None and parent[1:] == shim[1:]

    def _owner(self, bundle: Bundle) -> int | None:
        """The process that serves a bundle, as far as can be seen."""
        namesakes = self._by_name.get((bundle.namespace, bundle.id), [])
        path = _socket_path(bundle.address)
        if not path:  # it says nothing of its socket, or that is no unix socket
            inside = (one for one in namesakes if f"{one.root}{one.bundle}" == bundle.path)
            return next((one.pid for one in inside), None)
        holders = self._listeners.holders(path, bundle.root)
        if holders:
            names = {one.pid for one in namesakes}
            # Of several the one whose command line says so, else any shim: one that is shared.
            return min(holders, key=lambda pid: (pid not in names, pid not in self._by_pid))
        if self._listeners.listens(path, bundle.root):
            hidden = (one for one in namesakes if self._listeners.held_by(one) is None)
            return next((one.pid for one in hidden), None)
        return None

    def _of_bundle(self, bundle: Bundle, pid: int | None) -> Found:
        shim = self._by_pid.get(pid) if pid is not None else None
        address, problem = bundle.address, bundle.problem or _oddity(bundle.address)
        if not address and shim is not None:
            address = self._address(shim)
        return Found(
            bundle.namespace,
            bundle.id,
            pid,
            binary=shim.binary if shim is not None else _binary(pid, bundle),
            task=bundle.task,
            address=address,
            bundle=bundle.path,
            protocol=bundle.protocol,
            problem=problem,
        )

    def _alone(self, shim: ShimProcess) -> Found:
        address = self._address(shim)
        found = Found(shim.namespace, shim.id, shim.pid, shim.binary, address=address)
        folder = f"{shim.root}{shim.bundle}" if shim.bundle else ""
        if folder and os.path.isfile(f"{folder}/config.json"):  # noqa: PTH113
            bundle = bundle_at(folder, shim.namespace, shim.id, shim.root)
            found = found._replace(bundle=folder)
            if bundle.address == address or not address:
                found = found._replace(
                    task=bundle.task, address=bundle.address, protocol=bundle.protocol
                )
            elif bundle.address:
                said = f"{folder} names another socket, {bundle.address}"
                return found._replace(problem=said)
            else:
                return found._replace(problem=bundle.problem)
        elif folder and not os.path.isdir(folder):  # noqa: PTH112
            return found._replace(problem=f"its bundle {folder} is gone")
        if found.address:
            return found
        return found._replace(problem=self._why_unknown(shim))

    def _why_unknown(self, shim: ShimProcess) -> str:
        if self._listeners.held_by(shim) is None:
            return "its sockets may not be looked at: that takes root"
        return "it listens at no unix socket"

    def _address(self, shim: ShimProcess) -> str:
        """Where a process listens: of several, where a shim of its name would."""
        usual = _usual(shim)
        held = self._listeners.held_by(shim)
        if held is None:  # the kernel tells everybody which names are taken
            return usual if self._listeners.is_taken(_socket_path(usual)) else ""
        # Of a daemon that keeps its sockets elsewhere the name of the file is the same.
        name = usual.rpartition("/")[2]
        same = [address for address in held if usual and address.rpartition("/")[2] == name]
        return next(iter([*same, *held]), "")


def _usual(shim: ShimProcess) -> str:
    try:
        address = socket_address(shim.namespace, shim.id, address=shim.containerd)
    except InvocationError:
        return ""
    return f"unix://{shim.root}{address.removeprefix('unix://')}"


def _socket_path(address: str) -> str:
    """The path, or the abstract name after its ``@``, of a unix socket's address."""
    return address.removeprefix("unix://") if address.startswith("unix://") else ""


def _oddity(address: str) -> str:
    if not address:
        return ""
    try:
        parse(address)
    except AddressError as exc:
        return str(exc)
    return ""


def _binary(pid: int | None, bundle: Bundle) -> str:
    """The program of a process that does not look like a shim, or of a shim that is gone."""
    try:
        if pid is not None:
            return os.readlink(f"/proc/{pid}/exe")  # noqa: PTH115
        with open(f"{bundle.path}/{BINARY_FILE}", encoding="utf-8") as file:  # noqa: PTH123
            return file.read(4096).strip()
    except (OSError, UnicodeDecodeError):
        return ""
