"""Interceptors: callables around every call, ``(call, proceed)``, on either side.

``proceed(call)`` goes on, with the same call or a ``call.replace(…)`` of it, and returns what the
call returns: the reply, or for a streaming method the stream. Not to proceed is to answer.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from toolkit.rpc.metadata import Metadata, pairs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.rpc.context import Context
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method

__all__ = ["Call", "Interceptor", "Proceed", "chain"]


class Call:
    """What an interceptor sees of a call; ``replace`` makes a changed one.

    Attributes:
        method: the ``Method``.
        message: the request, as the caller gave it or as the server decoded it; None for a method
            that receives a stream of them.
        metadata: what travels with the Request.
        deadline: on this side's monotonic clock, in seconds; None without one.
        context: the handler's, on a server; None on a client.
    """

    __slots__ = ("context", "deadline", "message", "metadata", "method")

    def __init__(
        self,
        method: Method,
        message: Any,
        metadata: MetadataLike | None,
        deadline: float | None,
        context: Context | None = None,
    ) -> None:
        self.method = method
        self.message = message
        self.metadata = metadata if isinstance(metadata, Metadata) else Metadata(pairs_of(metadata))
        self.deadline = deadline
        self.context = context

    def replace(self, **changes: Any) -> Call:
        """The same call with other ``message``, ``metadata`` or ``deadline``."""
        unknown = changes.keys() - {"message", "metadata", "deadline"}
        if unknown:
            raise TypeError(f"a call's message, metadata and deadline can change, not {unknown}")
        return Call(
            self.method,
            changes.get("message", self.message),
            changes.get("metadata", self.metadata),
            changes.get("deadline", self.deadline),
            self.context,
        )


Proceed: TypeAlias = "Callable[[Call], Any]"
Interceptor: TypeAlias = "Callable[[Call, Proceed], Any]"


def chain(interceptors: Sequence[Interceptor], last: Proceed) -> Proceed:
    """One callable that goes through all of them, the first one outermost."""
    proceed = last
    for interceptor in reversed(interceptors):
        proceed = partial(_step, interceptor, proceed)
    return proceed


def _step(interceptor: Interceptor, proceed: Proceed, call: Call) -> Any:
    return interceptor(call, proceed)
