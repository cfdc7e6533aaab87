"""The shims of this host: in containerd's bundles, and among the processes.

Nothing is connected to, and nothing is sent: ``health`` asks whether they answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from toolkit.shim.finding.bundles import bundles, default_states, task_folders
from toolkit.shim.finding.found import Found
from toolkit.shim.finding.gobuild import Versions
from toolkit.shim.finding.listeners import Listeners
from toolkit.shim.finding.matching import Matching
from toolkit.shim.finding.running import processes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.shim.finding.running import Processes

__all__ = ["Found", "discover", "given_states", "look_around"]


def discover(
    *,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    namespace: str | None = None,
    id: str | None = None,
) -> list[Found]:
    """Every shim that can be seen, sorted by namespace and id.

    That are the bundles in containerd's state folder, in those of the containerds that run, and
    in those above the working folders of shims; and shims whose bundle is elsewhere, or gone, by
    their processes. A shim that died and left its bundle is one too: it has no ``pid``. Without
    root it is what the command lines tell. Several of one name are all there.

    Args:
        state: containerd's state folder, ``/run/containerd``, or several: only what has its
            bundle below them.
        namespace: only the shims of this one.
        id: only those of this container.
    """
    known, folders = look_around(given_states(state))
    told = [
        bundle
        for folder, root in folders.items()
        for bundle in bundles(folder, root, namespace)
        if id is None or bundle.id == id
    ]
    matching = Matching(known.shims, Listeners(known.shims))
    wanted = [
        one
        for one in matching.found(told)
        if namespace in (None, one.namespace) and (id is None or one.id == id)
    ]
    return _with_versions(sorted(wanted, key=lambda one: (one.namespace, one.id, one.pid or 0)))


def given_states(
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None,
) -> list[str] | None:
    """The state folders that were asked for, as the kernel names them; None for all."""
    if state is None:
        return None
    given = [state] if isinstance(state, str | os.PathLike) else state
    return [os.path.realpath(one) for one in given]


def look_around(states: Sequence[str] | None) -> tuple[Processes, dict[str, str]]:
    """The processes, and the folders that hold bundles; only those of some states, if not all."""
    known = processes()
    if states is None:
        return known, task_folders(default_states(known.states), known.shims)
    prefixes = tuple(f"{state}/" for state in states)
    inside = [one for one in known.shims if f"{one.bundle}/".startswith(prefixes)]
    return known._replace(shims=inside), task_folders(states, inside)


def _with_versions(found: Iterable[Found]) -> list[Found]:
    versions = Versions()
    return [
        one._replace(version=versions.of(one.pid, one.binary)) if one.binary else one
        for one in found
    ]
