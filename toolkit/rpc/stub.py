"""The methods of a service as methods of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolkit.rpc.call import MessageLike
    from toolkit.rpc.metadata import MetadataLike
    from toolkit.schema.method import Method, Service

__all__ = ["Caller", "Client"]


class Caller(Protocol):
    """What a client needs of a channel, of either flavour."""

    @property
    def call(self) -> Callable[..., Any]:
        """Calls a unary method."""

    @property
    def stream(self) -> Callable[..., Any]:
        """Calls a streaming method."""


class Client:
    """The methods of one service on one channel.

    ``client.State(id="web", timeout=2)`` takes the fields of the request as keywords, or a request
    in first place. A field that is called ``timeout`` or ``metadata`` goes into a mapping:
    ``client.Method({"timeout": 3})``. A streaming method gives a ``Stream``.
    """

    def __init__(self, channel: Caller, service: Service) -> None:
        """The methods of ``service``, called on ``channel``.

        Raises:
            TypeError: the service is none, but its name perhaps.
        """
        if not hasattr(service, "methods"):
            raise TypeError(
                f"a client wants a service, not {service!r}: "
                'schema.service("containerd.task.v3.Task") is one'
            )
        self._channel = channel
        self._service = service

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = self._method(name)
        channel = self._channel
        known = frozenset(field.name for field in method.descriptor.input_type.fields)

        def call(
            message: MessageLike = None,
            /,
            *,
            timeout: float | None = None,
            metadata: MetadataLike | None = None,
            **fields: Any,
        ) -> Any:
            if fields:
                if message is not None:
                    raise TypeError(f"{method.path}: a message and fields {sorted(fields)}")
                if not fields.keys() <= known:
                    _refuse_slip(method, fields.keys() - known)
                message = fields
            kind = method.kind
            start = (
                channel.stream if kind.client_streaming or kind.server_streaming else channel.call
            )
            return start(method, message, timeout=timeout, metadata=metadata)

        call.__name__ = method.name
        call.__qualname__ = method.full_name
        setattr(self, name, call)  # made once
        return call

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(method.name for method in self._service.methods)]

    def __repr__(self) -> str:
        return f"<Client {self._service.name} on {self._channel!r}>"

    def _method(self, name: str) -> Method:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._service[name]
        except ToolkitError as exc:
            raise AttributeError(str(exc)) from exc


def _refuse_slip(method: Method, unknown: Iterable[str]) -> None:
    """Say that a keyword is no field but ``timeout`` or ``metadata`` with a slip in it.

    Raises:
        TypeError: one is; of the others the message will say that it has no such field.
    """
    import difflib  # only a slip pays for it

    for name in unknown:
        near = difflib.get_close_matches(name, ("timeout", "metadata"), n=1, cutoff=0.75)
        if near:
            raise TypeError(
                f"{method.path}: the request has no field {name!r}; did you mean {near[0]}?"
            )
