"""A shim's own program: ``run`` is all of it, given an object that answers the Task service.

::

    from toolkit.shim.serving import run


    def make(context):
        return MyTask(context)  # Create, Start, State, ...; Shutdown calls context.shutdown()


    if __name__ == "__main__":
        sys.exit(run(make, name="io.containerd.mine.v1"))

The names here are imported where they are used: ``delete`` runs after every container, and is
done before protobuf would be loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.shim.serving.context import Bundle, ShimContext
    from toolkit.shim.serving.program import run
    from toolkit.shim.serving.publisher import Publisher
    from toolkit.shim.serving.publisher_async import AsyncPublisher
    from toolkit.shim.serving.records import Ended, Records

__all__ = ["AsyncPublisher", "Bundle", "Ended", "Publisher", "Records", "ShimContext", "run"]

_LATER = {
    "AsyncPublisher": "toolkit.shim.serving.publisher_async",
    "Bundle": "toolkit.shim.serving.context",
    "Ended": "toolkit.shim.serving.records",
    "Publisher": "toolkit.shim.serving.publisher",
    "Records": "toolkit.shim.serving.records",
    "ShimContext": "toolkit.shim.serving.context",
    "run": "toolkit.shim.serving.program",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
