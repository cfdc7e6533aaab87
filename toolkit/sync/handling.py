"""Running one handler of a blocking server, and sending what it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from toolkit.rpc.interceptors import chain
from toolkit.schema.message import as_message
from toolkit.sync.requests import Requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.rpc.dispatch import IncomingCall, ServerSession
    from toolkit.rpc.interceptors import Call, Interceptor
    from toolkit.sync.pump import Pump

__all__ = ["handle"]


def handle(
    call: IncomingCall, session: ServerSession, pump: Pump, interceptors: Sequence[Interceptor]
) -> None:
    """Run the handler of a call to its end. The pump's lock is not held.

    Raises:
        BaseException: whatever the handler raises; the call is not answered then.
    """
    kind = call.route.method.kind
    request = Requests(pump, call) if kind.client_streaming else call.request()
    if interceptors:
        result = chain(interceptors, partial(_run, call, request))(call.given(request))
    else:
        result = call.route.handler(request, call.context)
    if kind.server_streaming:
        _send_all(call, result, session, pump)
    else:
        payload = call.encode(result)
        with pump.lock:
            session.reply(call, payload)


def _run(call: IncomingCall, request: Any, given: Call) -> Any:
    """The end of the chain of interceptors."""
    result = call.route.handler(call.intercepted(request, given), call.context)
    if call.route.method.kind.server_streaming:
        return result
    return as_message(call.route.method.reply, result)  # interceptors get a message, always


def _send_all(
    call: IncomingCall, messages: Iterable[Any], session: ServerSession, pump: Pump
) -> None:
    with contextlib.closing(_iterator(call, messages)) as iterator:
        for message in iterator:
            payload = call.encode(message)
            with pump.lock:
                if call.stream.finished:
                    return
                session.send(call, payload)
                # To the last byte: the handler may take its time until the next message, and
                # nobody else is bound to write meanwhile.
                pump.flush()
    with pump.lock:
        session.end(call)
        pump.wake(call)


def _iterator(call: IncomingCall, messages: Any) -> Any:
    """The generator that a handler returned, or an iterator over what else it returned."""
    if hasattr(messages, "close"):
        return messages
    if not isinstance(messages, Iterable):
        raise TypeError(
            f"the handler of {call.route.method.path} returned {type(messages).__name__};"
            " a streaming method yields its messages"
        )
    return (message for message in messages)
