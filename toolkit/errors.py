"""Every exception that the toolkit raises on purpose.

::

    ToolkitError
    ├── SchemaError                     a schema cannot be found, built or used so
    │   ├── ReleaseNotFound  (KeyError)       no such project or line
    │   ├── SourceNotFound   (KeyError)       no such .proto file, directory or descriptor set
    │   ├── SymbolNotFound   (KeyError)       no such service, method, message, enum
    │   ├── CompileError                      a .proto file has errors
    │   ├── NoSchema                          a peer or a binary does not tell its own
    │   └── MessageError     (ValueError)     values or JSON do not fit the message
    ├── ProtocolError                   the wire protocol was broken
    │   ├── LocalProtocolError                by the caller of this library
    │   └── RemoteProtocolError               by the peer
    ├── AddressError         (ValueError)     text that is no address
    ├── TransportError       (ConnectionError)
    │   ├── ConnectFailed                     nobody answered at the address
    │   └── ConnectionClosed                  the connection went away under a call
    └── RpcError                        the call ended with a status other than OK
        └── DeadlineExceeded (TimeoutError)
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    class AnyLike(Protocol):
        """A ``RawAny``, or any protobuf Any."""

        @property
        def type_url(self) -> str:
            """What the value is."""

        @property
        def value(self) -> bytes:
            """The encoded message."""


__all__ = [
    "AddressError",
    "CompileError",
    "CompileProblem",
    "ConnectFailed",
    "ConnectionClosed",
    "DeadlineExceeded",
    "LocalProtocolError",
    "MessageError",
    "NoSchema",
    "ProtocolError",
    "RawAny",
    "ReleaseNotFound",
    "RemoteProtocolError",
    "RpcError",
    "SchemaError",
    "SourceNotFound",
    "SymbolNotFound",
    "ToolkitError",
    "TransportError",
]


class ToolkitError(Exception):
    """The base of all of them; they can be copied, pickled and so cross processes."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own calls the class with ``args``, and keyword-only parts get lost.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[ToolkitError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> ToolkitError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(attributes)
    return error


class SchemaError(ToolkitError):
    """A schema cannot be built, or cannot be used in this way."""


def joined(names: Sequence[str], last: str = "or") -> str:
    """``A, B or C``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


class ReleaseNotFound(SchemaError, KeyError):
    """No vendored release of this name.

    Attributes:
        name: what was asked for, ``containerd@9.9``.
        nearest: names that do exist, the likeliest first.
        searched: the folders that were looked through.
    """

    def __init__(
        self, name: str, *, nearest: Sequence[str] = (), searched: Sequence[str] = ()
    ) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = tuple(nearest)
        self.searched = tuple(searched)

    def __str__(self) -> str:  # KeyError's own shows the repr of its argument
        text = f"no vendored release {self.name!r}"
        if self.nearest:
            return f"{text}; did you mean {joined(self.nearest)}?"
        return f"{text}; `ttrpc releases` lists them (searched {joined(self.searched, 'and')})"


class SourceNotFound(SchemaError, KeyError):
    """No file or directory to take a schema from.

    Attributes:
        name: the path that was asked for.
        searched: the import roots that were looked through.
        nearest: the files that come closest.
    """

    def __init__(
        self, name: str, *, searched: Sequence[str] = (), nearest: Sequence[str] = ()
    ) -> None:
        super().__init__(name)
        self.name = name
        self.searched = tuple(searched)
        self.nearest = tuple(nearest)

    def __str__(self) -> str:  # KeyError's own shows the repr of its argument
        text = f"no file or directory {self.name!r}"
        if self.searched:
            text += f" under {joined(self.searched)}"
        if self.nearest:
            text += f"; did you mean {joined(self.nearest)}?"
        return text


class SymbolNotFound(SchemaError, KeyError):
    """The schema has no such service, method, message or enum.

    Attributes:
        kind: what was looked for: ``service``, ``method``, ``message`` or ``symbol``.
        name: its name as it was asked for.
        schema: the name of the schema, ``containerd@2.3``.
        nearest: names of this kind that the schema has, the likeliest first.
        elsewhere: vendored releases that do have it.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        schema: str,
        nearest: Sequence[str] = (),
        elsewhere: Sequence[str] = (),
    ) -> None:
        super().__init__(name)
        self.kind = kind
        self.name = name
        self.schema = schema
        self.nearest = tuple(nearest)
        self.elsewhere = tuple(elsewhere)

    def __str__(self) -> str:  # KeyError's own shows the repr of its argument
        text = f"{self.schema} has no {self.kind} {self.name!r}"
        if self.nearest:
            text += f"; did you mean {joined(self.nearest)}?"
        if self.elsewhere:
            text += f"; it is in {joined(self.elsewhere, 'and')}"
        return text


class CompileProblem(NamedTuple):
    """One complaint of the compiler; line and column count from 1, 0 means the whole file."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: {self.message}"


class CompileError(SchemaError):
    """A ``.proto`` file cannot be compiled.

    Attributes:
        problems: every complaint, in the order of the compiler.
        file, line, column: where the first one is.
    """

    def __init__(self, problems: Sequence[CompileProblem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    @property
    def file(self) -> str:
        """The file of the first problem."""
        return self.problems[0].file

    @property
    def line(self) -> int:
        """The line of the first problem, from 1."""
        return self.problems[0].line

    @property
    def column(self) -> int:
        """The column of the first problem, from 1."""
        return self.problems[0].column

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class NoSchema(SchemaError):
    """A binary that holds no descriptors, a server without reflection, or one that is not seen."""


class MessageError(SchemaError, ValueError):
    """Values or JSON that do not fit a message.

    Attributes:
        message: the full name of the message.
        path: the field at fault, ``rootfs[0].options``; empty for the whole message.
        reason: what was found and what was wanted.
        nearest: field names that do exist, when the field does not.
    """

    def __init__(
        self, message: str, path: str, reason: str, *, nearest: Sequence[str] = ()
    ) -> None:
        super().__init__(message, path, reason)
        self.message = message
        self.path = path
        self.reason = reason
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        where = f"{self.message}: {self.path}" if self.path else self.message
        hint = f"; did you mean {joined(self.nearest)}?" if self.nearest else ""
        return f"{where}: {self.reason}{hint}"


class ProtocolError(ToolkitError):
    """The TTRPC protocol was broken."""


class LocalProtocolError(ProtocolError):
    """The caller asked for something that the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow."""


class AddressError(ToolkitError, ValueError):
    """Text that is no address.

    Attributes:
        address: the text.
        reason: what is wrong with it.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.address!r} is no address: {self.reason}"


class TransportError(ToolkitError, ConnectionError):
    """The connection could not be made, or did not last."""


class ConnectFailed(TransportError):
    """Nobody answered at the address.

    Attributes:
        address: where we tried.
        reason: what happened.
        hint: what to try; may be empty.
    """

    def __init__(self, address: str, reason: str, *, hint: str = "") -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        text = f"cannot connect to {self.address}: {self.reason}"
        return f"{text}; {self.hint}" if self.hint else text


class ConnectionClosed(TransportError):
    """The connection is gone; a call that was open on it may or may not have been carried out.

    Attributes:
        by_peer: True when the peer closed it or broke it, False when ``close()`` was called here.
        reason: what is known about why.
        unsent: True when it is certain that the peer has not got this call, so that it may be
            made again.
    """

    def __init__(self, reason: str = "", *, by_peer: bool, unsent: bool = False) -> None:
        super().__init__(reason)
        self.by_peer = by_peer
        self.reason = reason
        self.unsent = unsent

    def __str__(self) -> str:
        if self.reason:
            return self.reason
        return "the peer closed the connection" if self.by_peer else "the channel is closed"


class RawAny(NamedTuple):
    """A ``google.protobuf.Any`` as it came, not yet looked up in any schema."""

    type_url: str
    value: bytes


class RpcError(ToolkitError):
    """A call that ended with a status other than OK; a handler raises it to say so.

    Attributes:
        code: a ``Code``, or an int where the peer sent a number that gRPC does not know.
        message: the peer's words.
        details: raw Anys; ``schema.unpack`` reads one. Messages of type Any can be given too.
    """

    def __init__(
        self, code: Code | int, message: object = "", details: Iterable[AnyLike] = ()
    ) -> None:
        # Checked here, where the slip is, and not when the status is encoded: RpcError(code, exc).
        self.code = Code.of(operator.index(code))
        self.message = str(message)
        self.details = tuple(RawAny(str(each.type_url), bytes(each.value)) for each in details)
        super().__init__(self.code, self.message, self.details)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else str(self.code)


class DeadlineExceeded(RpcError, TimeoutError):
    """The call's deadline passed.

    Attributes:
        by_peer: True when the peer said so, False when it was this side's own clock.
    """

    def __init__(
        self, message: object = "", details: Iterable[AnyLike] = (), *, by_peer: bool = False
    ) -> None:
        super().__init__(Code.DEADLINE_EXCEEDED, message, details)
        self.by_peer = by_peer
