"""Reflection of gRPC servers: asking one for its schema, and letting one tell of ours."""

from __future__ import annotations

import queue
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.errors import AddressError, ConnectFailed, NoSchema, SchemaError
from toolkit.reflection.answers import Answers
from toolkit.reflection.asking import TIMEOUT
from toolkit.reflection.loader import ReflectedSource, drive
from toolkit.reflection.protocol import METHOD, V1, V1ALPHA, method

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import grpc

    from toolkit.reflection.loader import Question
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["ask_grpc", "enable_grpc", "grpc_target", "load_grpc"]

# Descriptors may be larger than gRPC's 4 MiB, and a proxy has no business between us and a socket.
_OPTIONS = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.enable_http_proxy", 0),
)


def load_grpc(
    address: str, *, timeout: float = TIMEOUT, connect_timeout: float | None = None
) -> Schema:
    """The schema that a gRPC server tells of by its reflection, v1 or else v1alpha.

    Args:
        address: ``unix:///path``, a path, ``unix://@abstract``, ``host:port`` or
            ``tcp://host:port``; without TLS.
        timeout: seconds for all of it.
        connect_timeout: seconds of them in which the server must answer at all; None for all.

    Raises:
        AddressError: the text is no such address.
        ConnectFailed: nobody answers there.
        NoSchema: the server has no reflection.
        SchemaError: what it tells makes no sense, or takes too long.
    """
    from toolkit.schema.load import schema_from  # protobuf is 30 ms

    return schema_from(ask_grpc(address, timeout=timeout, connect_timeout=connect_timeout))


def ask_grpc(
    address: str, *, timeout: float = TIMEOUT, connect_timeout: float | None = None
) -> ReflectedSource:
    """What a gRPC server tells, as a source of a schema; as ``load_grpc``."""
    import grpc  # 80 ms

    name, target = f"grpc:{address}", grpc_target(address)
    deadline = time.monotonic() + timeout
    patience = timeout if connect_timeout is None else min(connect_timeout, timeout)
    _knock(address, patience)
    with grpc.insecure_channel(target, options=_OPTIONS) as channel:
        try:
            grpc.channel_ready_future(channel).result(patience)
        except grpc.FutureTimeoutError as exc:
            reason = f"no gRPC server answers within {patience:g} s"
            raise ConnectFailed(name, reason) from exc
        for service in (V1, V1ALPHA):
            try:
                left = max(deadline - time.monotonic(), 0.0)
                return ReflectedSource(name, _asked(channel, method(service), left))
            except grpc.RpcError as exc:
                if exc.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise SchemaError(f"{name}: no end of it within {timeout:g} s") from exc
                if exc.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    text = f"{exc.code().name}: {exc.details()}"
                    raise SchemaError(f"{name}: its reflection fails: {text}") from exc
            except SchemaError as exc:
                raise SchemaError(f"{name}: {exc}") from exc
    raise NoSchema(f"{name}: the server has no reflection, neither v1 nor v1alpha")


def _knock(address: str, timeout: float) -> None:
    """Connect and hang up: gRPC goes on trying where nobody is, and does not tell why.

    Raises:
        ConnectFailed: nobody answers.
    """
    from toolkit import sync

    scheme, _, rest = _parts(address)
    if scheme in ("unix", "tcp"):
        sync.connect(f"{scheme}://{rest}", timeout=timeout).close()


def _parts(address: str) -> tuple[str, str, str]:
    if "://" in address:
        return address.partition("://")
    return "unix" if address[:1] in ("/", "@") else "tcp", "://", address


def grpc_target(address: str) -> str:
    """An address as gRPC writes it.

    Raises:
        AddressError: gRPC has no such kind of address.
    """
    scheme, _, rest = _parts(address)
    if not rest:
        raise AddressError(address, "there is nothing behind grpc: to connect to")
    match scheme:
        case "unix" if rest.startswith("@"):
            return f"unix-abstract:{rest[1:]}"
        case "unix":
            return f"unix:{rest}"
        case "tcp" | "dns":
            return rest.removeprefix("/")
        case _:
            raise AddressError(address, "gRPC is asked over unix and tcp sockets only")


def _asked(channel: grpc.Channel, reflection: Method, timeout: float) -> Any:
    call = channel.stream_stream(
        reflection.path,
        request_serializer=reflection.request.SerializeToString,
        response_deserializer=reflection.reply.FromString,
    )
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    replies = call(iter(questions.get, None), timeout=timeout)
    try:
        return drive(partial(_exchange, questions, replies, reflection))
    finally:
        questions.put(None)
        replies.cancel()


def _exchange(
    questions: queue.SimpleQueue[Any],
    replies: Iterator[Any],
    reflection: Method,
    question: Question,
) -> Any:
    questions.put(reflection.request(**question))
    reply = next(replies, None)
    if reply is None:
        raise SchemaError("the server ended the stream before it had answered")
    return reply


def enable_grpc(server: grpc.Server, services: Sequence[Service]) -> None:
    """Let a gRPC server tell of services of our schemas, over both versions of its reflection.

    grpcio-reflection's own has v1alpha only, and neither comments nor methods.

    Args:
        server: of grpcio, not started yet.
        services: what it serves, of whatever schemas.

    Raises:
        SchemaError: they contradict each other; as for ``enable``.
    """
    import grpc

    reflections = [method(service) for service in (V1, V1ALPHA)]
    answers = Answers([*services, *(reflection.service for reflection in reflections)])
    for reflection in reflections:
        handler = grpc.stream_stream_rpc_method_handler(
            partial(_answer, answers, reflection),
            request_deserializer=reflection.request.FromString,
            response_serializer=reflection.reply.SerializeToString,
        )
        generic = grpc.method_handlers_generic_handler(reflection.service.name, {METHOD: handler})
        server.add_generic_rpc_handlers((generic,))


def _answer(
    answers: Answers, reflection: Method, requests: Iterable[Any], context: object
) -> Iterator[Any]:
    from toolkit.schema.message import as_message

    del context
    sent: set[str] = set()
    for request in requests:
        yield as_message(reflection.reply, answers.answer(request, sent))
