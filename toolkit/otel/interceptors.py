"""The interceptors that make spans, for both flavours and both ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.otel.spans import Tracing
from toolkit.otel.streams import AioMessages, AioTracedStream, Messages, TracedStream

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import TracerProvider

    from toolkit.rpc.interceptors import Call, Interceptor, Proceed
    from toolkit.schema.method import Method

__all__ = ["aio_client", "aio_server", "client", "server"]


def client(
    *, tracer_provider: TracerProvider | None = None, propagator: TextMapPropagator | None = None
) -> Interceptor:
    """For ``sync.connect``: a span for each call, whose context goes with the call.

    The span of a streaming call ends when its last message or its error has been received, or when
    the stream is left.
    """
    tracing = Tracing(tracer_provider, propagator)

    def intercept(call: Call, proceed: Proceed) -> Any:
        span, call = tracing.client(call)
        try:
            with span.current():
                result = proceed(call)
        except BaseException as exc:
            span.fail(exc)
            raise
        if _is_streaming(call.method):
            return TracedStream(result, span)
        span.succeed()
        return result

    return intercept


def server(
    *, tracer_provider: TracerProvider | None = None, propagator: TextMapPropagator | None = None
) -> Interceptor:
    """For ``sync.Server``: a span for each call, below that of the client."""
    tracing = Tracing(tracer_provider, propagator)

    def intercept(call: Call, proceed: Proceed) -> Any:
        span = tracing.server(call)
        try:
            with span.current():
                result = proceed(call)
            if call.method.kind.server_streaming:
                return Messages(result, span)
        except BaseException as exc:
            span.fail(exc)
            raise
        span.succeed()
        return result

    return intercept


def aio_client(
    *, tracer_provider: TracerProvider | None = None, propagator: TextMapPropagator | None = None
) -> Interceptor:
    """For ``aio.connect``, as ``client``."""
    tracing = Tracing(tracer_provider, propagator)

    async def intercept(call: Call, proceed: Proceed) -> Any:
        span, call = tracing.client(call)
        try:
            with span.current():
                result = await proceed(call)
        except BaseException as exc:
            span.fail(exc)
            raise
        if _is_streaming(call.method):
            return AioTracedStream(result, span)
        span.succeed()
        return result

    return intercept


def aio_server(
    *, tracer_provider: TracerProvider | None = None, propagator: TextMapPropagator | None = None
) -> Interceptor:
    """For ``aio.Server``, as ``server``."""
    tracing = Tracing(tracer_provider, propagator)

    async def intercept(call: Call, proceed: Proceed) -> Any:
        span = tracing.server(call)
        try:
            with span.current():
                result = await proceed(call)
            if call.method.kind.server_streaming:
                return AioMessages(result, span)
        except BaseException as exc:
            span.fail(exc)
            raise
        span.succeed()
        return result

    return intercept


def _is_streaming(method: Method) -> bool:
    return method.kind.client_streaming or method.kind.server_streaming
