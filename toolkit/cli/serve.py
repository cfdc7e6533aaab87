"""``ttrpc serve``: the demo server, a Task service over plain host processes."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import tempfile
import threading
from typing import TYPE_CHECKING

from toolkit.cli.address import resolve
from toolkit.cli.errors import SUCCESS, CommandError, UsageError
from toolkit.cli.output import data, note
from toolkit.cli.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.cli.arguments import Options
    from toolkit.sync import Listener, Server

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS]"
FLAGS = ("schema", "import_root")
ABOUT = """\
Serve containerd.task.v2.Task and containerd.task.v3.Task, whose containers
are plain processes of this host, taken from an OCI bundle's config.json: no
root, no isolation; and reflection. Prints the address once it listens;
without ADDRESS, a socket in a new temporary directory. Ctrl-C or SIGTERM ends
it, and every container with it, with exit code 0: that is how it is meant to
end."""


def run(options: Options) -> int:
    """Serve until a signal, or a call of Shutdown, says to stop."""
    from toolkit.reflection import enable
    from toolkit.shim.process import make_server

    if len(options.arguments) > 1:
        raise UsageError(f"serve takes one ADDRESS, not {len(options.arguments)}")
    gc.enable()  # off in the short life of other commands
    sources = Sources(options)
    schema = sources.offered()[0]
    sources.explain(schema)
    server = make_server(schema)
    enable(server)
    with _address(options.arguments) as address:
        _serve(server, address)
    return SUCCESS


@contextlib.contextmanager
def _address(arguments: list[str]) -> Iterator[str]:
    """The address that was given, or one in a directory that is gone afterwards."""
    if arguments:
        yield resolve(arguments[0])
        return
    with tempfile.TemporaryDirectory(prefix="ttrpc-") as folder:
        yield f"unix://{folder}/task.sock"


def _serve(server: Server, address: str) -> None:
    with _Stop() as stop:
        with _listen(server, address) as listener:
            thread = threading.Thread(target=_serve_forever, args=(server, stop), name="serve")
            thread.start()
            data(listener.address)
            note("Serving; Ctrl-C ends it.")
            stop.wait()
        thread.join()


def _listen(server: Server, address: str) -> Listener:
    try:
        return server.listen(address)
    except OSError as exc:
        hint = "; is its folder yours to write to?" if isinstance(exc, PermissionError) else ""
        raise CommandError(f"cannot listen on {address}: {exc.strerror or exc}{hint}") from exc


def _serve_forever(server: Server, stop: _Stop) -> None:
    try:
        server.serve_forever()
    finally:
        stop.set()


class _Stop:
    """Set by SIGINT, SIGTERM or another thread; a pipe, since a signal handler may take no lock."""

    def __enter__(self) -> _Stop:
        self._reader, self._writer = os.pipe()
        self._handlers = {
            number: signal.signal(number, lambda *_: self.set())
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def set(self) -> None:
        os.write(self._writer, b"\0")

    def wait(self) -> None:
        os.read(self._reader, 1)
