"""OpenTelemetry: spans for calls, and the trace goes on at the other end of the connection.

::

    from toolkit import otel, sync

    channel = sync.connect(address, interceptors=[otel.client()])
    server = sync.Server(interceptors=[otel.server()])

and ``otel.aio_client()``, ``otel.aio_server()`` for asyncio. Trace context travels as metadata
(``traceparent``, ``tracestate``), as containerd's otelttrpc sends and reads it.
"""

from __future__ import annotations

try:
    from toolkit.otel.interceptors import aio_client, aio_server, client, server
except ModuleNotFoundError as exc:
    if exc.name is None or not exc.name.startswith("opentelemetry"):
        raise
    raise ModuleNotFoundError(
        "toolkit.otel needs OpenTelemetry: pip install 'ttrpc-toolkit[otel]'", name=exc.name
    ) from exc

__all__ = ["aio_client", "aio_server", "client", "server"]
