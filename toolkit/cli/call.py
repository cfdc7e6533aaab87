"""``ttrpc call``: one call, its reply as JSON."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

from toolkit.cli import hints, request, sources, streaming
from toolkit.cli.address import is_address, is_there, resolve
from toolkit.cli.errors import SUCCESS, UsageError
from toolkit.cli.methods import methods as find_methods
from toolkit.cli.output import data, note, printable
from toolkit.errors import ConnectionClosed, RemoteProtocolError, RpcError
from toolkit.status import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method
    from toolkit.sync import Channel

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "ADDRESS METHOD"
FLAGS = (
    "data",
    "schema",
    "import_root",
    "header",
    "namespace",
    "max_time",
    "connect_timeout",
    "emit_defaults",
)
ABOUT = """\
Call METHOD of the server at ADDRESS and print the reply as JSON.

ADDRESS is a URL (unix:///run/shim.sock, unix://@abstract), a socket's path, a
shim's bundle directory, or an abstract name with or without its @. METHOD is
containerd.task.v3.Task/State, or short, Task/State or State, where one service
has it; a short name of the Task service asks for v3 and goes on to v2 if the
peer has no v3. Without -s the schema is the newest vendored release that has
the service, and a short name is that of a service which is spoken over TTRPC.
A streaming method wants -s; each JSON value of the data is one message."""

_METHOD_PATH = r"/[\w.]+(/\w+)?"  # looks like a path of files otherwise
_PATIENCE = 10.0  # seconds without a deadline after which a person may wonder


def run(options: Options) -> int:
    """Make the call; the exit code says how it ended."""
    where, name = _arguments(options.arguments)
    metadata = request.metadata(options)
    address = resolve(where)
    methods = find_methods(options, name)
    streams = methods[0].kind.client_streaming or methods[0].kind.server_streaming
    if streams:
        texts = request.all_documents(options)
        streaming.check(options, methods[0], texts)
        messages = [_message(methods[0], text) for text in texts]
    else:
        text = request.one_document(options, name)
        messages = [_message(method, text) for method in methods]
    with _connect(address, options) as channel:
        try:
            if streams:
                _show_request(methods[0], metadata, options)
                return streaming.run(channel, methods[0], messages, metadata, options)
            return _try_each(channel, methods, messages, metadata, options)
        except (ConnectionClosed, RemoteProtocolError) as exc:
            raise hints.lost(exc, channel, methods[0]) from exc


def _arguments(words: Sequence[str]) -> tuple[str, str]:
    """ADDRESS and METHOD.

    Raises:
        UsageError: there are more or fewer words, or they are the wrong way round.
    """
    if len(words) > 2:
        raise UsageError(
            f"call wants an ADDRESS and a METHOD; {words[2]!r} is too much (data goes after -d)"
        )
    if len(words) < 2:
        raise UsageError("call wants an ADDRESS and a METHOD")
    where, name = words
    known = not where or is_address(where) or is_there(where)
    if not known and (
        is_there(name) or (is_address(name) and not re.fullmatch(_METHOD_PATH, name))
    ):
        raise UsageError(f"the address comes first: ttrpc call {name} {where}")
    return where, name


def _message(method: Method, text: str) -> Any:
    return method.service.schema.from_json(method.request.DESCRIPTOR.full_name, text)


def _connect(address: str, options: Options) -> Channel:
    from toolkit import sync  # sockets and threads, which `--help` does without

    if options.verbose:
        note(f"Address: {address}")
    return sync.connect(address, timeout=options.connect_timeout)


def _try_each(
    channel: Channel,
    methods: Sequence[Method],
    messages: Sequence[Any],
    metadata: dict[str, list[str]],
    options: Options,
) -> int:
    """Call the first method whose service the peer has.

    Going on is harmless: a peer that says that it lacks the service has done nothing.
    """
    refusals: list[tuple[Method, RpcError]] = []
    started = time.monotonic()
    for method, message in zip(methods, messages, strict=True):
        _show_request(method, metadata, options)
        try:
            with _hint(options):
                reply = channel.call(method, message, timeout=options.max_time, metadata=metadata)
        except RpcError as exc:
            refusals.append((method, exc))
            if not _lacks_service(exc, method):
                break
            if options.verbose:
                note(f"{method.path.lstrip('/')}: {printable(str(exc))}")
        else:
            _show_reply(method, reply, options)
            hints.say_counts(options, 1, 1, started)
            return SUCCESS
    hints.say_counts(options, len(refusals), 0, started)
    return _fail(refusals, options)


def _fail(refusals: Sequence[tuple[Method, RpcError]], options: Options) -> int:
    """Print the status that tells most: one about more than the service that is not there."""
    method, error = next(
        (one for one in refusals if one[0].service.name not in one[1].message), refusals[-1]
    )
    return hints.failed(error, method, options)


def _lacks_service(error: RpcError, method: Method) -> bool:
    # Go: UNIMPLEMENTED (before 1.1 NOT_FOUND), "service X". Rust: INVALID_ARGUMENT,
    # "X service does not exist" or "/X/m does not exist".
    service = method.service.name
    return error.code is Code.UNIMPLEMENTED or (
        error.code in {Code.INVALID_ARGUMENT, Code.NOT_FOUND}
        and error.message.removesuffix(" does not exist")
        in {f"service {service}", f"{service} service", method.path}
    )


@contextlib.contextmanager
def _hint(options: Options) -> Iterator[None]:
    """Say once, after a while and when there is no deadline, what the wait is for."""
    import threading  # the channel has it already; `--help` does not

    if options.max_time is not None:
        yield
        return
    text = f"No reply for {_PATIENCE:g} s; --max-time sets a deadline, Ctrl-C ends the wait."
    timer = threading.Timer(_PATIENCE, note, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _show_request(method: Method, metadata: dict[str, list[str]], options: Options) -> None:
    if not options.verbose:
        return
    from toolkit.schema.printing import print_symbol

    schema = method.service.schema
    sources.explain(options, schema, method.service.name)
    note("\nResolved method descriptor:")
    note(print_symbol(schema, method.descriptor).rstrip("\n"))
    note("\nRequest metadata to send:")
    for key, values in metadata.items():
        for value in values:
            note(f"{key}: {value}")
    if not metadata:
        note("(empty)")


def _show_reply(method: Method, reply: Any, options: Options) -> None:
    from toolkit.cli.unknown import unknown_fields

    if options.verbose:
        note("\nResponse contents:")
    schema = method.service.schema
    data(schema.to_json(reply, defaults=options.emit_defaults))
    for line in unknown_fields(reply, schema):
        note(f"Warning: {line}")
