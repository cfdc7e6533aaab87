"""Stats of host processes in the shape of a cgroup's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.errors import SymbolNotFound
from toolkit.shim.hosting.procfs import usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.schema.pool import Schema

__all__ = ["cgroup_metrics"]

_METRICS = "io.containerd.cgroups.v2.Metrics"


def cgroup_metrics(schema: Schema, pids: Sequence[int]) -> Any | None:
    """What these processes use, in an Any; None where the schema has no message for it.

    The time of processes that have ended is not in it: only a cgroup remembers that.
    """
    used = usage(pids)
    values = {
        "pids": {"current": len(pids)},
        "cpu": {
            "usage_usec": used.user_usec + used.system_usec,
            "user_usec": used.user_usec,
            "system_usec": used.system_usec,
        },
        "memory": {
            "usage": used.anon + used.file + used.shmem,
            "anon": used.anon,
            "file_mapped": used.file,
            "shmem": used.shmem,
            "swap_usage": used.swap,
            "pgfault": used.faults,
            "pgmajfault": used.major_faults,
        },
    }
    try:
        return schema.pack(_METRICS, values)
    except SymbolNotFound:  # containerd 1.2 and 1.3 knew cgroup v1 alone
        return None
