"""Services of one module as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.codegen.model import Method, Service
from toolkit.codegen.names import Namespace, is_plain, safe
from toolkit.codegen.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.codegen.docs import Docs
    from toolkit.codegen.messages import MessageBuilder
    from toolkit.codegen.scope import StubModule

__all__ = ["ServiceBuilder", "method_names", "service_names"]

# What a client's method takes beside the fields of its request.
_OPTIONS = frozenset({"metadata", "timeout"})
_TAKEN = frozenset({"_abc_impl", "_stub"})  # what the classes have of themselves


def service_names(name: str, taken: Namespace) -> tuple[str, ...]:
    """The six classes of a service: clients, and what a server implements."""
    forms = (
        *("{}Client", "Async{}Client", "{}Service", "Async{}Service"),
        *("Unimplemented{}Service", "UnimplementedAsync{}Service"),
    )
    return tuple(taken.add(form.format(name)) for form in forms)


def method_names(service: Any) -> dict[str, str]:
    """What each method of a service is called in its classes."""
    names = [method.name for method in service.methods]
    plain = {name for name in names if is_plain(name) and name not in _TAKEN}
    free = Namespace(plain | _TAKEN)
    return {name: name if name in plain else free.add(safe(name)) for name in names}


class ServiceBuilder:
    """Builds the services of a module."""

    def __init__(self, stub: StubModule, messages: MessageBuilder, docs: Docs) -> None:
        self._stub = stub
        self._messages = messages
        self._docs = docs

    def service(self, service: Any) -> Service:
        """A service."""
        attributes = method_names(service)
        scope = Scope(self._stub, [*attributes.values(), "__init__"])
        client, async_client, plain, async_plain, without, async_without = (
            self._stub.naming.services[service.full_name]
        )
        return Service(
            name=service.name,
            proto=service.full_name,
            docs=self._docs.of(service.full_name, title=f"``{service.full_name}``"),
            methods=tuple(
                self._method(method, attributes[method.name], scope) for method in service.methods
            ),
            words=scope.words(*_words(service.methods)),
            client=client,
            async_client=async_client,
            service=plain,
            async_service=async_plain,
            unimplemented=without,
            async_unimplemented=async_without,
        )

    def _method(self, method: Any, attribute: str, scope: Scope) -> Method:
        request, reply = method.input_type, method.output_type
        holder = method.containing_service.full_name
        return Method(
            name=attribute,
            proto=method.name,
            docs=self._docs.of(f"{holder}.{method.name}", title=_title(method), within=holder),
            client_streaming=method.client_streaming,
            server_streaming=method.server_streaming,
            request=scope.reference(request),
            reply=scope.reference(reply),
            given=self._messages.value_type(request, scope),
            keywords=self._messages.keywords_of(request, _OPTIONS),
            answer=self._messages.value_type(reply, scope),
        )


def _title(method: Any) -> str:
    kinds = {
        (False, False): "unary",
        (True, False): "client-streaming",
        (False, True): "server-streaming",
        (True, True): "bidirectional",
    }
    kind = kinds[method.client_streaming, method.server_streaming]
    return f"``/{method.containing_service.full_name}/{method.name}``, {kind}"


def _words(methods: Sequence[Any]) -> Iterator[str]:
    """What the classes of a service are written with, beside the messages."""
    yield from ("AioChannel", "AsyncImplementation", "Client", "Implementation", "SyncChannel")
    if methods:
        yield from ("Context", "MetadataLike", "abstractmethod", "float")
    if any(method.input_type.fields for method in methods):
        yield from ("Unpack", "overload")
    if any(method.client_streaming for method in methods):
        yield from ("AsyncIterator", "Iterator")
    if any(method.server_streaming for method in methods):
        yield from ("AsyncIterator", "Iterator")
    kinds = {(method.client_streaming, method.server_streaming) for method in methods}
    if (False, False) in kinds:
        yield from ("Any", "Coroutine")
    if kinds - {(False, False)}:
        yield "Opening"
    for kind, word in _STREAMS.items():
        if kind in kinds:
            yield from (word, f"Async{word}")


_STREAMS = {(False, True): "Replies", (True, False): "Requests", (True, True): "Bidi"}
