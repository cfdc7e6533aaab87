"""The services that are spoken over TTRPC: what a short name may mean, and what is probed for."""

from __future__ import annotations

__all__ = ["over_ttrpc"]

# containerd serves most of its API over gRPC alone. A method's bare name, with a slip in it, would
# else reach out for a method of those, which no TTRPC server has.
_SERVICES = frozenset(
    {
        "ExtendedTask",  # hcsshim's own shim
        "containerd.runhcs.v1.diag.ShimDiag",
        "containerd.runtime.linux.shim.v1.Shim",  # shims of the v1 runtime, until containerd 1.7
        "containerd.runtime.sandbox.v1.Sandbox",  # shims of sandboxes
        "containerd.services.events.ttrpc.v1.Events",  # containerd.sock.ttrpc
        "containerd.services.streaming.v1.Streaming",  # shims that take part in transfers
        "containerd.services.transfer.v1.Transfer",
        "containerd.task.v2.Task",  # shims
        "containerd.task.v3.Task",
        "grpc.AgentService",  # the Kata agent; its package is called so
        "grpc.Health",
        "hypervisor.Hypervisor",  # Kata's remote hypervisor
    }
)
_PACKAGES = (
    "api.",  # the confidential containers' agents
    "nri.",
)


def over_ttrpc(service: str) -> bool:
    """Whether servers offer the service of this full name over TTRPC."""
    return service in _SERVICES or service.startswith(_PACKAGES)
