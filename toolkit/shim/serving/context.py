"""What a shim's implementation is given: who it is for, and what it may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from toolkit.schema.pool import Schema
    from toolkit.shim.serving.publisher import Publisher
    from toolkit.shim.serving.records import Ended

__all__ = ["Bundle", "Program", "ShimContext"]


class Bundle(NamedTuple):
    """A container whose shim has died, for a ``cleanup`` of one's own.

    Attributes:
        namespace: containerd's namespace.
        id: of the container.
        path: the bundle.
    """

    namespace: str
    id: str
    path: str


class Program(NamedTuple):
    """What a shim's program is made of; ``run`` says what each is."""

    factory: Callable[[ShimContext], object]
    name: str
    version: str
    cleanup: Callable[[Bundle], Ended | None] | None
    info: Callable[[Any | None], Mapping[str, Any]] | None
    socket_dir: str


class ShimContext(NamedTuple):
    """One running shim.

    Attributes:
        namespace: containerd's namespace.
        id: of the container or sandbox that it was started for; a group's shim gets more.
        bundle: that one's bundle, also the working directory.
        schema: the newest containerd's.
        publisher: of events.
        options: the runtime's options, as an Any; None without. ``schema.unpack`` reads them.
        log: what is logged here, or anywhere else, goes to containerd's log.
        debug: whether containerd logs for debugging.
        shutdown: ends the server, once; returns at once. What ``Shutdown`` has to call. From then
            on a new shim may listen in its place.
    """

    namespace: str
    id: str
    bundle: str
    schema: Schema
    publisher: Publisher
    options: Any | None
    log: logging.Logger
    debug: bool
    shutdown: Callable[[], None]
