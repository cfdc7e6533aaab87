"""The span of one call: its name, its attributes, and what travels of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode

from toolkit.errors import RpcError
from toolkit.rpc.failure import status_of
from toolkit.rpc.metadata import Metadata
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import TextMapPropagator

    from toolkit.rpc.interceptors import Call

__all__ = ["CallSpan", "Tracing"]

# otelttrpc interceptor.go, serverStatus: what is the server's fault. With the others it did its
# work, and it is the client whose span says that the call failed.
_SERVER_ERRORS = {
    Code.UNKNOWN,
    Code.DEADLINE_EXCEEDED,
    Code.UNIMPLEMENTED,
    Code.INTERNAL,
    Code.UNAVAILABLE,
    Code.DATA_LOSS,
}


class Tracing:
    """Makes the spans of calls.

    Args:
        tracer_provider: in place of the global one.
        propagator: in place of the global one, which is W3C trace context and baggage.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        propagator: TextMapPropagator | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("ttrpc-toolkit", tracer_provider=tracer_provider)
        self._propagator = propagator

    def client(self, call: Call) -> tuple[CallSpan, Call]:
        """A span for a call that is made here, and the call with the trace in its metadata."""
        span = self._start(call, SpanKind.CLIENT, None)
        context = trace.set_span_in_context(span)
        carrier: dict[str, str] = {}
        self._textmap.inject(carrier, context=context)
        kept = [(key, value) for key, value in call.metadata.items() if key not in carrier]
        changed = call.replace(metadata=Metadata([*kept, *carrier.items()]))
        return CallSpan(span, context, call, SpanKind.CLIENT), changed

    def server(self, call: Call) -> CallSpan:
        """A span for a call that is answered here; its parent is what the metadata says.

        Not what is current here: that is whatever the server was started in.
        """
        remote = self._textmap.extract(
            call.metadata, context=otel_context.Context(), getter=_FROM_METADATA
        )
        span = self._start(call, SpanKind.SERVER, remote)
        return CallSpan(span, trace.set_span_in_context(span, remote), call, SpanKind.SERVER)

    @property
    def _textmap(self) -> TextMapPropagator:
        return self._propagator or propagate.get_global_textmap()

    def _start(self, call: Call, kind: SpanKind, parent: Context | None) -> trace.Span:
        service, method = call.method.service.name, call.method.name
        return self._tracer.start_span(
            f"{service}/{method}",
            context=parent,
            kind=kind,
            attributes={"rpc.system": "ttrpc", "rpc.service": service, "rpc.method": method},
        )


class CallSpan:
    """A span that ends once, with the status of its call."""

    def __init__(self, span: trace.Span, context: Context, call: Call, kind: SpanKind) -> None:
        self._span = span
        self._context = context
        self._call = call
        self._kind = kind
        self._ended = False

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make it the current span, for as long as this code runs."""
        token = otel_context.attach(self._context)
        try:
            yield
        finally:
            otel_context.detach(token)

    def succeed(self) -> None:
        """The call has ended well."""
        self._end(Code.OK)

    def leave(self) -> None:
        """Nobody waits for the rest of the call any more."""
        self._end(self._why_cancelled())

    def fail(self, error: BaseException) -> None:
        """The call has ended with this."""
        if self._ended:
            return
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._end(self._why_cancelled())
            return
        status = status_of(error)
        if not isinstance(error, RpcError):
            self._span.record_exception(error)
        if self._kind is SpanKind.CLIENT or status.code in _SERVER_ERRORS:
            self._span.set_status(Status(StatusCode.ERROR, status.message))
        self._end(status.code)

    def _why_cancelled(self) -> Code:
        context = self._call.context
        late = context is not None and context.time_remaining() == 0.0
        return Code.DEADLINE_EXCEEDED if late else Code.CANCELLED

    def _end(self, code: int) -> None:
        if not self._ended:
            self._ended = True
            self._span.set_attribute("rpc.ttrpc.status_code", int(code))
            self._span.end()


class _FromMetadata(Getter[Metadata]):
    def get(self, carrier: Metadata, key: str) -> list[str] | None:
        return carrier.get_all(key) or None

    def keys(self, carrier: Metadata) -> list[str]:
        return carrier.keys()


_FROM_METADATA = _FromMetadata()
