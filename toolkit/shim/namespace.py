"""containerd's namespace as metadata: what every call to a shim carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.rpc.metadata import Metadata

if TYPE_CHECKING:
    from toolkit.rpc.interceptors import Call, Interceptor, Proceed

__all__ = ["NAMESPACE_KEY", "in_namespace"]

NAMESPACE_KEY = "containerd-namespace-ttrpc"  # containerd/containerd, pkg/namespaces/ttrpc.go


def in_namespace(namespace: str) -> Interceptor:
    """An interceptor for a channel of either flavour: the namespace, unless a call names one."""

    def intercept(call: Call, proceed: Proceed) -> Any:
        if call.metadata.get(NAMESPACE_KEY) is None:
            pairs = [*call.metadata.items(), (NAMESPACE_KEY, namespace)]
            call = call.replace(metadata=Metadata(pairs))
        return proceed(call)

    return intercept
