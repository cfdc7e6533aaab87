"""What ``start`` is asked for, and the form that its caller wants the answer in."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError

from toolkit.errors import ToolkitError
from toolkit.shim.bootstrap import Bootstrap, read_params

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.schema.pool import Schema
    from toolkit.shim.invocation import Invocation

__all__ = [
    "MAX_INPUT",
    "Caller",
    "RequestError",
    "StartRequest",
    "answer",
    "options_in",
    "read_request",
]

MAX_INPUT = 10 << 20  # bytes of stdin, as for containerd's own shims
DEBUG = -4  # LogLevel's LOG_LEVEL_DEBUG; a lower one logs more


class RequestError(ToolkitError):
    """What ``start`` got on stdin makes no sense."""


class Caller(enum.Enum):
    """How a caller wants to be answered."""

    PROTOBUF = "from containerd 2.3 on"
    JSON = "containerd 1.7 to 2.2"
    TEXT = "up to containerd 1.6"


class StartRequest(NamedTuple):
    """What a shim is started for.

    Attributes:
        namespace: containerd's namespace.
        id: of the container or sandbox.
        address: containerd's gRPC socket.
        ttrpc_address: where it takes events.
        socket_dir: the folder for sockets; empty where it is not said.
        options: the runtime's options, or the task's, as an Any; None without.
        debug: whether to log more.
        caller: who asks.
    """

    namespace: str
    id: str
    address: str = ""
    ttrpc_address: str = ""
    socket_dir: str = ""
    options: Any | None = None
    debug: bool = False
    caller: Caller = Caller.TEXT


def read_request(
    data: bytes, invocation: Invocation, environment: Mapping[str, str], schema: Schema
) -> StartRequest:
    """What stdin, command line and environment of ``start`` say together.

    Raises:
        RequestError: stdin holds neither of what containerd writes.
    """
    if len(data) > MAX_INPUT:
        raise RequestError(f"more than {MAX_INPUT} bytes on stdin; no release sends that much")
    namespace, id = invocation.namespace, invocation.id
    address = invocation.address or environment.get("GRPC_ADDRESS", "")
    events = environment.get("TTRPC_ADDRESS", "")
    params = read_params(data, namespace=namespace, id=id, schema=schema)
    if params is None:
        # containerd pkg/shim/util.go: since 1.7 it says which version it knows, and reads JSON.
        caller = Caller.JSON if environment.get("MAX_SHIM_VERSION") else Caller.TEXT
        options = options_in(data)
        return StartRequest(
            namespace,
            id,
            address,
            events,
            options=options,
            debug=invocation.debug,
            caller=caller,
        )
    values = [extension.value for extension in params.extensions]
    return StartRequest(
        namespace,
        id,
        params.containerd_grpc_address or address,
        params.containerd_ttrpc_address or events,
        params.socket_dir,
        AnyMessage(type_url=values[0].type_url, value=values[0].value) if values else None,
        invocation.debug or params.log_level <= DEBUG,
        Caller.PROTOBUF,
    )


def answer(address: str, caller: Caller, schema: Schema) -> bytes:
    """What ``start`` prints: where the shim listens, and which Task service it speaks there."""
    match caller:
        case Caller.PROTOBUF:
            return Bootstrap(3, address).as_protobuf(schema)
        case Caller.JSON:
            # 1.7 refuses a version above 2, and cannot be told from 2.0; both speak Task v2.
            return Bootstrap(2, address).as_json()
        case Caller.TEXT:
            return Bootstrap(2, address).as_text()


def options_in(data: bytes) -> AnyMessage | None:
    """The options that older releases send, and ``-info`` gets; None where there are none.

    Raises:
        RequestError: it is no Any.
    """
    if not data:
        return None
    try:
        found = AnyMessage.FromString(data)
    except DecodeError:
        found = AnyMessage()
    if not found.type_url:
        raise RequestError(
            f"{len(data)} bytes on stdin that are neither BootstrapParams of this namespace and "
            "id nor options in an Any"
        )
    return found
