"""``ttrpc call``: one call, its reply as JSON."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from toolkit.cli import request, sources, streaming
from toolkit.cli.address import resolve
from toolkit.cli.errors import SUCCESS, CommandError, UsageError, exit_code, print_status
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
)
ABOUT = """\
Call METHOD of the server at ADDRESS and print the reply as JSON.

ADDRESS is a URL (unix:///run/shim.sock, unix://@abstract), a socket's path, a
shim's bundle directory, or an abstract name with or without its @. METHOD is
containerd.task.v3.Task/State, or just State where one service has it; a short
name of the Task service asks for v3 and goes on to v2 if the peer has no v3.
Without -s the schema is the newest vendored release that has the service. A
streaming method wants -s; each JSON value of the data is one message."""

_PATIENCE = 10.0  # seconds without a deadline after which a person may wonder


def run(options: Options) -> int:
    """Make the call; the exit code says how it ended."""
    if len(options.arguments) != 2:
        raise UsageError("call wants an ADDRESS and a METHOD")
    where, name = options.arguments
    metadata = request.metadata(options)
    address = resolve(where)
    methods = sources.methods(options, name)
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
            if channel.counters.frames_received:
                raise
            raise CommandError(f"{exc}; {_stranger(channel)}") from exc


def _stranger(channel: Channel) -> str:
    """What to try when a peer has sent no frame at all: mostly it speaks something else."""
    sent = channel.counters.bytes_received
    what = f"it has sent {sent} bytes and no TTRPC frame" if sent else "it has sent nothing"
    return (
        f"{what}: is {channel.address} a TTRPC socket? "
        "(containerd's is containerd.sock.ttrpc; its containerd.sock speaks gRPC)"
    )


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
            return SUCCESS
    return _fail(refusals)


def _fail(refusals: Sequence[tuple[Method, RpcError]]) -> int:
    """Print the status that tells most: one about more than the service that is not there."""
    method, error = next(
        (one for one in refusals if one[0].service.name not in one[1].message), refusals[-1]
    )
    print_status(error, method.service.schema)
    return exit_code(error)


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
    data(schema.to_json(reply))
    for line in unknown_fields(reply, schema):
        note(f"Warning: {line}")
    if options.verbose:
        note("\nSent 1 request and received 1 response")
