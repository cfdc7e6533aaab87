"""Channels to shims by namespace and id, wherever they listen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import AddressError, ToolkitError, joined
from toolkit.rpc.address import parse
from toolkit.shim.finding.discovery import discover
from toolkit.shim.namespace import in_namespace

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from toolkit import sync
    from toolkit.aio.channel import Connecting
    from toolkit.rpc.interceptors import Interceptor
    from toolkit.shim.finding.found import Found
    from toolkit.wire.connection import Trace

__all__ = ["ShimNotFound", "connect", "connect_async", "find", "split_name"]

SCHEME = "shim://"
_SHOWN = 5  # ids of those that may be meant


class ShimNotFound(ToolkitError, LookupError):
    """No shim of this name that can be connected to, or more than one.

    Attributes:
        namespace: containerd's namespace.
        id: of the container.
        reason: what was found instead.
        nearest: the names, ``NAMESPACE/ID``, that come closest.
    """

    def __init__(
        self, namespace: str, id: str, reason: str = "", *, nearest: Sequence[str] = ()
    ) -> None:
        super().__init__(namespace, id, reason)
        self.namespace = namespace
        self.id = id
        self.reason = reason
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        text = f"no shim {self.namespace}/{self.id}"
        if self.reason:
            text += f" to connect to: {self.reason}"
        elif self.nearest:
            text += f"; did you mean {joined(self.nearest)}?"
        else:
            text += "; `ttrpc ps` lists those that can be seen, as root all of them"
        return text


def find(
    namespace: str,
    id: str,
    *,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    prefix: bool = False,
) -> Found:
    """The shim of this name that can be connected to; nothing is sent to it.

    Of several, such as one that died and one that took its place, it is the one that lives.

    Args:
        namespace: containerd's namespace.
        id: of the container.
        state: as for ``discover``.
        prefix: whether the start of an id will do, where no shim has it in full.

    Raises:
        ShimNotFound: there is none, or there are several; with the nearest names.
    """
    known = discover(state=state)
    found = [one for one in known if (one.namespace, one.id) == (namespace, id)]
    if not found and prefix:
        found = [one for one in known if one.namespace == namespace and one.id.startswith(id)]
    if not found:
        raise ShimNotFound(namespace, id, nearest=_nearest(namespace, id, known))
    usable = [one for one in found if _is_usable(one)]
    names = {one.id for one in found}
    if len(names) > 1:
        raise ShimNotFound(namespace, id, f"it may be {joined(sorted(names)[:_SHOWN])}")
    alive = [one for one in usable if one.pid is not None] or usable
    if not alive:
        raise ShimNotFound(namespace, id, "; ".join(map(_why_not, found)))
    if len({one.address for one in alive}) > 1:
        several = joined([_shown(one) for one in alive], "and")
        raise ShimNotFound(namespace, id, f"there are {len(alive)}, {several}; name its socket")
    return alive[0]


def connect(
    namespace: str,
    id: str,
    *,
    timeout: float | None = None,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    interceptors: Sequence[Interceptor] = (),
    trace: Trace | None = None,
) -> sync.Channel:
    """A channel to the shim of a container, whose calls go in the namespace.

    ::

        with shim.connect("default", "web", timeout=5) as channel:
            task = channel.client(schema.service(shim.find("default", "web").service))
            print(task.State(id="web", timeout=2))

    Args:
        namespace: containerd's namespace.
        id: of the container.
        timeout: for connecting, in seconds; calls have a timeout of their own.
        state: as for ``discover``.
        interceptors: around every call, the first one outermost.
        trace: as for ``toolkit.sync.connect``.

    Raises:
        ShimNotFound: there is none, or there are several.
        ConnectFailed: it does not listen, or not to this user.
    """
    from toolkit import sync  # of the two flavours only the one that is used is loaded

    address = find(namespace, id, state=state).address
    chained = [*interceptors, in_namespace(namespace)]
    return sync.connect(address, timeout=timeout, interceptors=chained, trace=trace)


def connect_async(
    namespace: str,
    id: str,
    *,
    timeout: float | None = None,
    state: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    interceptors: Sequence[Interceptor] = (),
    trace: Trace | None = None,
) -> Connecting:
    """The same for asyncio: ``await`` it, or enter it with ``async with``.

    The shim is looked for at once, which takes some milliseconds.
    """
    from toolkit import aio

    address = find(namespace, id, state=state).address
    chained = [*interceptors, in_namespace(namespace)]
    return aio.connect(address, timeout=timeout, interceptors=chained, trace=trace)


def split_name(text: str) -> tuple[str, str]:
    """The namespace and the id of ``shim://NAMESPACE/ID``.

    Raises:
        AddressError: one of them is missing, or there is more.
    """
    namespace, _, id = text.removeprefix(SCHEME).partition("/")
    if not text.startswith(SCHEME) or not namespace or not id or "/" in id:
        raise AddressError(text, "a shim's is shim://NAMESPACE/ID, such as shim://default/web")
    return namespace, id


def _nearest(namespace: str, id: str, known: Sequence[Found]) -> list[str]:
    """Names with a slip in the id, or of another namespace."""
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    elsewhere = [one.name for one in known if one.id == id]
    beside = nearest(id, [one.id for one in known if one.namespace == namespace])
    near = [*elsewhere, *(f"{namespace}/{one}" for one in beside)]
    return near or nearest(f"{namespace}/{id}", [one.name for one in known])


def _is_usable(found: Found) -> bool:
    if found.protocol != "ttrpc":
        return False
    try:
        parse(found.address)
    except AddressError:
        return False
    return True


def _why_not(found: Found) -> str:
    return found.problem or f"it speaks {found.protocol}, not ttrpc"


def _shown(found: Found) -> str:
    return f"{found.address} (pid {found.pid})" if found.pid is not None else found.address
