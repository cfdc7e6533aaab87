"""OpenTelemetry: spans on both sides of a call, in one trace."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as otel_context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tests.support.echo import ECHO
from tests.support.flavours import SyncFlavour
from tests.support.frames import frame
from tests.support.peer import background, read_frame
from toolkit import aio, otel
from toolkit.errors import ConnectionClosed, RpcError
from toolkit.rpc.envelope import decode_request, encode_metadata, encode_request, request_prefix
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.flavours import Flavour

UNARY, COLLECT, EXPAND, CHAT = (ECHO[name] for name in ("Unary", "Collect", "Expand", "Chat"))
REQUEST, RESPONSE = 1, 2
# What containerd sends with a call to a shim, by W3C Trace Context.
TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Traces:
    """The spans that have ended."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    def interceptors(self, flavour: Flavour, side: str) -> list[Any]:
        name = side if flavour.name == "sync" else f"aio_{side}"
        return [getattr(otel, name)(tracer_provider=self.provider)]

    def by_kind(self) -> dict[SpanKind, ReadableSpan]:
        return {span.kind: span for span in self._exporter.get_finished_spans()}

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]


class Handlers:
    """Every kind of method, with spans of its own."""

    def __init__(self, traces: Traces) -> None:
        self._tracer = traces.tracer
        self.baggage: object = None

    def Unary(self, request: Any, context: Any) -> Any:
        self.baggage = baggage.get_baggage("user")
        with self._tracer.start_as_current_span("handler"):
            if request.text == "crash":
                raise RuntimeError("out of order")
            if request.number:
                raise RpcError(request.number, request.text)
            return request

    def Collect(self, requests: Any, context: Any) -> Any:
        with self._tracer.start_as_current_span("handler"):
            return {"words": [request.text for request in requests]}

    def Expand(self, request: Any, context: Any) -> Iterator[Any]:
        for number in range(request.number):
            with self._tracer.start_as_current_span("handler"):
                pass
            yield {"number": number}
        if request.text:
            raise RpcError(Code.INTERNAL, request.text)

    def Chat(self, requests: Any, context: Any) -> Iterator[Any]:
        yield from requests


@pytest.fixture
def traces() -> Traces:
    """Where the spans of a test go."""
    return Traces()


@pytest.fixture
def handlers(traces: Traces) -> Handlers:
    """What the server does."""
    return Handlers(traces)


@pytest.fixture
def channel(flavour: Flavour, address: str, traces: Traces, handlers: Handlers) -> Iterator[Any]:
    """A channel and a server that are both traced."""
    with (
        flavour.serving(
            address, {ECHO: handlers}, interceptors=traces.interceptors(flavour, "server")
        ) as (_, bound),
        flavour.connect(bound, interceptors=traces.interceptors(flavour, "client")) as channel,
    ):
        yield channel


def parent_id(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent is not None else None


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def test_point_30_one_trace_goes_through_client_and_server(channel: Any, traces: Traces) -> None:
    with traces.tracer.start_as_current_span("caller"):
        channel.call(UNARY, timeout=5)

    [caller], [handler] = traces.named("caller"), traces.named("handler")
    client, server = (traces.by_kind()[kind] for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    assert [parent_id(each) for each in (client, server, handler)] == [
        span_id(each) for each in (caller, client, server)
    ]
    assert server.parent is not None
    assert server.parent.is_remote


def test_point_30_spans_are_named_and_described_as_by_otelttrpc(
    channel: Any, traces: Traces
) -> None:
    channel.call(UNARY, timeout=5)

    for kind in (SpanKind.CLIENT, SpanKind.SERVER):
        span = traces.by_kind()[kind]
        assert span.name == "test.v1.Echo/Unary"
        assert dict(span.attributes or {}) == {
            "rpc.system": "ttrpc",
            "rpc.service": "test.v1.Echo",
            "rpc.method": "Unary",
            "rpc.ttrpc.status_code": 0,
        }
        assert span.status.status_code is StatusCode.UNSET


def test_point_30_the_trace_travels_as_w3c_metadata_beside_the_callers_own(
    flavour: Flavour, traces: Traces
) -> None:
    ours, peer = socket.socketpair()
    peer.settimeout(10)
    metadata = {"key": ["1", "2"], "traceparent": "stale"}
    with (
        peer,
        flavour.connect(ours, interceptors=traces.interceptors(flavour, "client")) as channel,
    ):
        call = background(channel.call, UNARY, metadata=metadata, timeout=5)
        sent = decode_request(read_frame(peer)[3]).metadata
        peer.sendall(frame(1, RESPONSE))
        call.result(5)

    context = traces.by_kind()[SpanKind.CLIENT].context
    assert context is not None
    traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    assert list(sent) == [("key", "1"), ("key", "2"), ("traceparent", traceparent)]


def test_point_30_the_server_goes_on_with_containerds_trace(
    flavour: Flavour, traces: Traces, handlers: Handlers
) -> None:
    pairs = [("traceparent", TRACEPARENT), ("tracestate", "vendor=1"), ("baggage", "user=ann")]
    prefix = request_prefix(ECHO.name, "Unary")
    request = encode_request(prefix, b"", 0, encode_metadata(pairs))
    options = {"interceptors": traces.interceptors(flavour, "server")}
    with flavour.connection({ECHO: handlers}, **options) as client:
        client.sendall(frame(1, REQUEST, 0, request))
        read_frame(client)

    span = traces.by_kind()[SpanKind.SERVER]
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert parent_id(span) == int(SPAN_ID, 16)
    assert span.context.trace_state.get("vendor") == "1"
    assert handlers.baggage == "ann"


@pytest.mark.parametrize("traceparent", ["", "garbage", f"00-{'0' * 32}-{SPAN_ID}-01"])
def test_a_traceparent_that_is_none_begins_a_trace(
    flavour: Flavour, traces: Traces, handlers: Handlers, traceparent: str
) -> None:
    metadata = encode_metadata([("traceparent", traceparent)])
    request = encode_request(request_prefix(ECHO.name, "Unary"), b"", 0, metadata)
    options = {"interceptors": traces.interceptors(flavour, "server")}
    with (
        traces.tracer.start_as_current_span("what the server was started in"),
        flavour.connection({ECHO: handlers}, **options) as client,
    ):
        client.sendall(frame(1, REQUEST, 0, request))
        read_frame(client)

    assert parent_id(traces.by_kind()[SpanKind.SERVER]) is None


@pytest.mark.parametrize(
    ("code", "at_the_server"),
    [(Code.NOT_FOUND, StatusCode.UNSET), (Code.INTERNAL, StatusCode.ERROR)],
)
def test_point_30_a_status_is_an_error_of_the_client_and_of_a_server_at_fault(
    channel: Any, traces: Traces, code: Code, at_the_server: StatusCode
) -> None:
    with pytest.raises(RpcError):
        channel.call(UNARY, {"number": int(code), "text": "no such thing"}, timeout=5)

    client, server = (traces.by_kind()[kind] for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    assert client.status.status_code is StatusCode.ERROR
    assert client.status.description == "no such thing"
    assert server.status.status_code is at_the_server
    for span in (client, server):
        assert (span.attributes or {})["rpc.ttrpc.status_code"] == int(code)


def test_an_exception_of_a_handler_is_recorded(channel: Any, traces: Traces) -> None:
    with pytest.raises(RpcError):
        channel.call(UNARY, {"text": "crash"}, timeout=5)

    span = traces.by_kind()[SpanKind.SERVER]
    assert (span.attributes or {})["rpc.ttrpc.status_code"] == int(Code.UNKNOWN)
    [event] = span.events
    assert (event.attributes or {})["exception.message"] == "out of order"


def test_a_connection_that_goes_away_fails_the_span(flavour: Flavour, traces: Traces) -> None:
    ours, peer = socket.socketpair()
    interceptors = traces.interceptors(flavour, "client")
    with peer, flavour.connect(ours, interceptors=interceptors) as channel:
        call = background(channel.call, UNARY)
        read_frame(peer)
        peer.close()
        assert isinstance(call.exception(5), ConnectionClosed)

    assert traces.by_kind()[SpanKind.CLIENT].status.status_code is StatusCode.ERROR


def check_streams(traces: Traces, method: str, code: Code = Code.OK) -> None:
    """One trace, and both spans ended with this."""
    client, server = (traces.by_kind()[kind] for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    assert client.name == server.name == f"test.v1.Echo/{method}"
    assert parent_id(server) == span_id(client)
    for span in (client, server):
        assert (span.attributes or {})["rpc.ttrpc.status_code"] == int(code)


def test_point_30_a_server_streaming_call_is_one_span_to_its_last_message(
    flavour: Flavour, channel: Any, traces: Traces
) -> None:
    with channel.stream(EXPAND, {"number": 3}, timeout=5) as stream:
        assert [message.number for message in stream] == [0, 1, 2]

    check_streams(traces, "Expand")
    server = traces.by_kind()[SpanKind.SERVER]
    assert [parent_id(span) for span in traces.named("handler")] == [span_id(server)] * 3


def test_point_30_a_client_streaming_call_ends_with_its_reply(channel: Any, traces: Traces) -> None:
    with channel.stream(COLLECT, timeout=5) as stream:
        for text in ("a", "b"):
            stream.send({"text": text})
        stream.close_send()
        assert stream.receive().words == ["a", "b"]

    check_streams(traces, "Collect")


def test_point_30_a_bidi_call_is_traced(channel: Any, traces: Traces) -> None:
    with channel.stream(CHAT, {"text": "a"}, timeout=5) as stream:
        assert stream.receive().text == "a"
        stream.close_send()
        assert stream.receive() is None
        assert stream.method is CHAT

    check_streams(traces, "Chat")


def test_an_error_ends_the_span_of_a_stream(channel: Any, traces: Traces) -> None:
    with (
        channel.stream(EXPAND, {"number": 2, "text": "broken"}, timeout=5) as stream,
        pytest.raises(RpcError, match="broken"),
    ):
        list(stream)

    check_streams(traces, "Expand", Code.INTERNAL)


def test_a_stream_that_is_left_is_cancelled(channel: Any, traces: Traces) -> None:
    with channel.stream(CHAT, {"text": "a"}, timeout=5) as stream:
        stream.receive()

    client = traces.by_kind()[SpanKind.CLIENT]
    assert (client.attributes or {})["rpc.ttrpc.status_code"] == int(Code.CANCELLED)
    assert client.status.status_code is StatusCode.UNSET


def test_nothing_is_current_after_a_call(channel: Any, traces: Traces) -> None:
    channel.call(UNARY, timeout=5)
    with channel.stream(EXPAND, {"number": 1}, timeout=5) as stream:
        list(stream)

    assert trace.get_current_span() is trace.INVALID_SPAN
    assert otel_context.get_current() == {}


def test_who_does_not_trace_does_not_import_opentelemetry() -> None:
    script = "import sys, toolkit.sync.server, toolkit.aio; print('opentelemetry' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script]) == b"False\n"


def test_without_opentelemetry_the_extra_is_named() -> None:
    script = "import sys; sys.modules['opentelemetry'] = None; import toolkit.otel"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert b"pip install 'ttrpc-toolkit[otel]'" in done.stderr


async def trace_with_asyncio(traces: Traces, address: str) -> list[int]:
    class Expanding:
        async def Expand(self, request: Any, context: Any) -> AsyncIterator[Any]:
            for number in range(request.number):
                yield {"number": number}

    options: Any = {
        "tracer_provider": traces.provider,
        "propagator": TraceContextTextMapPropagator(),
    }
    server = aio.Server(interceptors=[otel.aio_server(**options)])
    server.add(ECHO, Expanding())
    async with (
        server.listen(address),
        aio.connect(address, interceptors=[otel.aio_client(**options)]) as channel,
        await channel.stream(EXPAND, {"number": 3}, timeout=5) as stream,
    ):
        assert repr(stream) == "<Stream /test.v1.Echo/Expand>"
        return [message.number async for message in stream]


def test_point_30_a_stream_is_traced_through_async_for(traces: Traces, address: str) -> None:
    assert asyncio.run(trace_with_asyncio(traces, address)) == [0, 1, 2]
    check_streams(traces, "Expand")


def test_messages_need_not_come_from_a_generator(address: str, traces: Traces) -> None:
    class Listing:
        def Expand(self, request: Any, context: Any) -> list[dict[str, int]]:
            return [{"number": number} for number in range(request.number)]

    flavour = SyncFlavour()
    server, client = (traces.interceptors(flavour, side) for side in ("server", "client"))
    with (
        flavour.serving(address, {ECHO: Listing()}, interceptors=server),
        flavour.connect(address, interceptors=client) as channel,
        channel.stream(EXPAND, {"number": 3}, timeout=5) as stream,
    ):
        assert [message.number for message in stream] == [0, 1, 2]
    check_streams(traces, "Expand")
