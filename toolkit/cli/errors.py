"""How a command ends when it does not end well: exit codes, and what is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.output import note, printable
from toolkit.errors import RpcError, ToolkitError
from toolkit.status import Code

if TYPE_CHECKING:
    from toolkit.errors import RawAny
    from toolkit.schema.pool import Schema

__all__ = [
    "FAILURE",
    "INTERRUPTED",
    "PIPE_CLOSED",
    "SUCCESS",
    "USAGE",
    "CommandError",
    "UsageError",
    "exit_code",
    "print_status",
]

SUCCESS = 0
FAILURE = 1
USAGE = 2
STATUS_BASE = 64  # as grpcurl: 1 and 2 stay free for failures that are not the peer's
INTERRUPTED = 130  # what a shell reports for SIGINT
PIPE_CLOSED = 141  # and for SIGPIPE


class CommandError(ToolkitError):
    """The command cannot do what it was asked to; the text says why and what to try."""


class UsageError(ToolkitError):
    """The command line itself makes no sense."""


def exit_code(error: RpcError) -> int:
    """64 + the status code; a code that does not fit an exit code becomes the highest."""
    code = STATUS_BASE + int(error.code)
    return code if STATUS_BASE < code <= 255 else 255


def print_status(error: RpcError, schema: Schema | None) -> None:
    """The status as grpcurl prints it; ``schema`` decodes the details."""
    note("ERROR:")
    note(f"  Code: {_code_name(error.code)}")
    note(f"  Message: {printable(error.message)}")
    if error.details:
        note("  Details:")
    for number, detail in enumerate(error.details, start=1):
        prefix = f"  {number})"
        first, *rest = _detail_text(detail, schema).split("\n")
        note(f"{prefix}\t{first}")
        for line in rest:
            note(f"{' ' * len(prefix)}\t{line}")


def _code_name(code: Code | int) -> str:
    # Go prints a number that it does not know in this way.
    return code.go_name if isinstance(code, Code) else f"Code({code})"


def _detail_text(detail: RawAny, schema: Schema | None) -> str:
    if schema is None:
        return f"{printable(detail.type_url)}: {len(detail.value)} bytes"
    packed = schema.message("google.protobuf.Any")
    return schema.to_json(packed(type_url=detail.type_url, value=detail.value))
