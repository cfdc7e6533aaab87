"""The metrics in a shim's Stats: of cgroup v1 and v2, and of Windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import MessageError, RawAny
from toolkit.schema.load import load

if TYPE_CHECKING:
    from toolkit.schema.pool import Schema

__all__ = ["CGROUP_V1", "CGROUP_V2", "WINDOWS", "Usage", "decode_stats", "summary"]

CGROUP_V1 = "io.containerd.cgroups.v1.Metrics"
CGROUP_V2 = "io.containerd.cgroups.v2.Metrics"
WINDOWS = "containerd.runhcs.stats.v1.Statistics"

# Where the Any is: in a StatsResponse, a SandboxMetricsResponse, a Metric.
_FIELDS = ("stats", "metrics", "data")


class Usage(NamedTuple):
    """What a container uses, whatever measured it.

    Attributes:
        cpu_nano: nanoseconds of all its CPUs since it started.
        memory: bytes, the page cache included; on Windows what it has committed.
        pids: processes and threads; None where nobody counts them.
    """

    cpu_nano: int
    memory: int
    pids: int | None


def decode_stats(reply: Any, schema: Schema | None = None) -> Any:
    """The metrics in a shim's answer: a message of ``CGROUP_V1``, ``CGROUP_V2`` or ``WINDOWS``.

    Args:
        reply: a StatsResponse of any line, a SandboxMetricsResponse or Metric, or the Any itself.
        schema: the newest containerd's by default; its companions have the metrics.

    Raises:
        MessageError: there are none, as from a container that does not run; or it is no message
            of metrics.
        SymbolNotFound: a type of metrics that nobody knows here.
    """
    packed = _find_any(reply)
    known = schema if schema is not None else load("containerd")
    message = known.unpack(packed)
    name = packed.type_url.rpartition("/")[2]
    if name not in _SUMMARIES:
        raise MessageError(
            name, "", f"these are no metrics; want {CGROUP_V1}, {CGROUP_V2} or {WINDOWS}"
        )
    return message


def summary(metrics: Any) -> Usage:
    """The few numbers that all metrics have.

    Args:
        metrics: what ``decode_stats`` gives.

    Raises:
        MessageError: these are no metrics.
    """
    name = metrics.DESCRIPTOR.full_name
    summarize = _SUMMARIES.get(name)
    if summarize is None:
        raise MessageError(
            name, "", f"these are no metrics; want {CGROUP_V1}, {CGROUP_V2} or {WINDOWS}"
        )
    return summarize(metrics)


def _find_any(reply: Any) -> RawAny:
    while not (hasattr(reply, "type_url") and hasattr(reply, "value")):
        name = next((name for name in _FIELDS if name in reply.DESCRIPTOR.fields_by_name), None)
        if name is None:
            raise MessageError(reply.DESCRIPTOR.full_name, "", "it has no field for metrics")
        if not reply.HasField(name):
            raise MessageError(
                reply.DESCRIPTOR.full_name, name, "absent: the shim has measured nothing"
            )
        reply = getattr(reply, name)
    return RawAny(reply.type_url, reply.value)


def _cgroup_v1(metrics: Any) -> Usage:
    return Usage(metrics.cpu.usage.total, metrics.memory.usage.usage, metrics.pids.current)


def _cgroup_v2(metrics: Any) -> Usage:
    return Usage(metrics.cpu.usage_usec * 1000, metrics.memory.usage, metrics.pids.current)


def _windows(metrics: Any) -> Usage:
    """Of the container; of the virtual machine only where it is all that was measured."""
    container = metrics.WhichOneof("container")
    if container == "linux":
        return _cgroup_v1(metrics.linux)
    if container is None and metrics.HasField("vm"):
        vm = metrics.vm
        return Usage(vm.processor.total_runtime_ns, vm.memory.working_set_bytes, None)
    windows = metrics.windows
    return Usage(windows.processor.total_runtime_ns, windows.memory.memory_usage_commit_bytes, None)


_SUMMARIES = {CGROUP_V1: _cgroup_v1, CGROUP_V2: _cgroup_v2, WINDOWS: _windows}
