"""What a handler's exception says to the client."""

from __future__ import annotations

import logging

from toolkit.errors import RpcError
from toolkit.status import Code

__all__ = ["report", "status_of"]

logger = logging.getLogger(__name__)

# The first match counts, so the narrower type comes first. As in Go (services.go, convertCode),
# errors of the operating system keep their meaning; the rest is UNKNOWN with its text.
_CODES: tuple[tuple[type[BaseException], Code], ...] = (
    (NotImplementedError, Code.UNIMPLEMENTED),
    (FileNotFoundError, Code.NOT_FOUND),
    (ProcessLookupError, Code.NOT_FOUND),
    (FileExistsError, Code.ALREADY_EXISTS),
    (PermissionError, Code.PERMISSION_DENIED),
    (TimeoutError, Code.DEADLINE_EXCEEDED),
    (EOFError, Code.OUT_OF_RANGE),
)


def status_of(error: BaseException) -> RpcError:
    """The status that a client gets when a handler raises this."""
    if isinstance(error, RpcError) and error.code:
        return error
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.UNKNOWN)
    try:
        text = str(error)
    except Exception:
        logger.exception("a %s has no text", type(error).__name__)
        text = ""
    return RpcError(code, text or type(error).__name__)


def report(path: str, error: BaseException) -> None:
    """Log an exception with its traceback, unless a handler raised it to answer the call."""
    if not isinstance(error, RpcError) or not error.code:
        logger.error("the handler of %s failed", path, exc_info=error)
