"""The server of a shim: one implementation behind every service that it has the methods of."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import ToolkitError
from toolkit.rpc.credentials import same_user
from toolkit.shim.bundle import ADDRESS_FILE
from toolkit.shim.serving.context import ShimContext
from toolkit.shim.serving.logs import log_to, open_log
from toolkit.shim.serving.publisher import Publisher
from toolkit.shim.serving.reaping import Reaper, become_subreaper
from toolkit.sync import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from toolkit.schema.method import Service
    from toolkit.schema.pool import Schema
    from toolkit.shim.serving.request import StartRequest
    from toolkit.sockets.listening import Bound

__all__ = ["SERVICES", "ShimServer"]

SERVICES = (
    "containerd.task.v2.Task",
    "containerd.task.v3.Task",
    "containerd.runtime.sandbox.v1.Sandbox",
)
PATIENCE = 5.0  # seconds for calls in progress, and as many for events, at the end

logger = logging.getLogger(__name__)


class NothingToServe(ToolkitError):
    """The factory's object has none of the methods of any service."""


class ShimServer:
    """Everything that one shim's process runs; made in that process, by its main thread."""

    def __init__(self, request: StartRequest, bound: Bound, schema: Schema) -> None:
        become_subreaper()
        # The kernel tells clients the process that last called listen() on the socket.
        bound.sock.listen(128)
        self._bound = bound._replace(pid=os.getpid())
        self._bundle = Path.cwd()
        log_to(open_log(self._bundle), debug=request.debug)
        self._schema = schema
        self._publisher = Publisher(request.ttrpc_address, request.namespace, schema=schema)
        self._server = Server(authorize=same_user())
        self._listener = self._server.listen(bound.sock)
        self._stopping = threading.Lock()  # taken once, for good, by who ends the server
        self._stopper: threading.Thread | None = None
        self._implementation: Any = None
        self._context = ShimContext(
            request.namespace,
            request.id,
            str(self._bundle),
            schema,
            self._publisher,
            request.options,
            logging.getLogger("shim"),
            request.debug,
            self.shutdown,
        )

    def serve(self, factory: Callable[[ShimContext], object], *, ready: Callable[[], None]) -> None:
        """Make the implementation and serve it, until ``shutdown``.

        Raises:
            NothingToServe: it has no method that could be called.
            Exception: whatever the factory raises; nothing listens then.
        """
        reaper = Reaper(on_end=self._on_signal)
        try:
            self._implementation = factory(self._context)
            for service in self._services():
                self._server.add(service, self._implementation)
            reaper.start()
            ready()
            self._server.serve_forever()
        finally:
            if self._stopping.acquire(blocking=False):
                self._release()
            self._end()
        reaper.stop()

    def shutdown(self) -> None:
        """Take no more connections, and end when the calls in progress have; returns at once."""
        if not self._stopping.acquire(blocking=False):
            return
        # Before anybody is answered: whoever starts the next shim must not be led to this one.
        self._release()
        # In a thread: who asks may be a handler, and is waited for.
        self._stopper = threading.Thread(target=self._stop, name="shim-shutdown", daemon=True)
        self._stopper.start()

    def _on_signal(self, number: int) -> None:
        logger.info("%s: shutting down", signal.Signals(number).name)
        self.shutdown()

    def _services(self) -> list[Service]:
        offered = [self._schema.service(name) for name in SERVICES]
        found = [
            service
            for service in offered
            if any(hasattr(self._implementation, method.name) for method in service.methods)
        ]
        if not found:
            kind = type(self._implementation).__name__
            raise NothingToServe(f"{kind} has no method of {', '.join(SERVICES)}")
        return found

    def _stop(self) -> None:
        self._close_implementation()
        self._server.shutdown(PATIENCE)

    def _close_implementation(self) -> None:
        close = getattr(self._implementation, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception:
            logger.exception("what the shim serves could not be closed")

    def _release(self) -> None:
        """Give up the place. Once only: it may be the next shim's right after."""
        with contextlib.suppress(OSError):
            address = self._bundle / ADDRESS_FILE
            if address.read_text() == self._bound.address:
                address.unlink()
        self._bound.unlink()

    def _end(self) -> None:
        if self._stopper is not None:
            self._stopper.join()
        else:
            self._close_implementation()
        self._server.close()
        self._publisher.close(PATIENCE)
