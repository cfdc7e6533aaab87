"""``ttrpc call``: one call, its reply as JSON."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

from toolkit.cli import hints, request, streaming
from toolkit.cli.address import is_address, is_there
from toolkit.cli.errors import SUCCESS, UsageError
from toolkit.cli.methods import methods as find_methods
from toolkit.cli.output import data, note, printable
from toolkit.cli.peer import Peer
from toolkit.cli.sources import Sources
from toolkit.errors import ConnectionClosed, RemoteProtocolError, RpcError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method
    from toolkit.shim.finding.found import Found

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
    "no_probe",
)
ABOUT = """\
Call METHOD of the server at ADDRESS and print the reply as JSON.

ADDRESS is a URL (unix:///run/shim.sock, unix://@abstract), a socket's path, a
shim's bundle directory, an abstract name with or without its @, or a shim by
name, shim://NAMESPACE/ID: that sends NAMESPACE, which else -n does, and without
-d it fills the field "id" of the request, if there is one. METHOD is
containerd.task.v3.Task/State, or short, Task/State or State, where one service
has it; a short name of the Task service asks for v3 and goes on to v2 if the
peer has no v3.

Without -s the schema is the one in the binary behind the socket, for which
nothing is sent; else what the server tells by reflection; else the newest
vendored release that has the service, where a short name is that of one which
is spoken over TTRPC. -v tells which. A streaming method wants -s, or a schema
of the server's own; each JSON value of the data is one message."""

_METHOD_PATH = r"/[\w.]+(/\w+)?"  # looks like a path of files otherwise
_PATIENCE = 10.0  # seconds without a deadline after which a person may wonder


def run(options: Options) -> int:
    """Make the call; the exit code says how it ended."""
    where, name = _arguments(options.arguments)
    request.metadata(options)  # what is wrong with it is said before anything is looked for
    texts = request.data_of(options)
    started = time.monotonic()  # the deadline is that of everything that the peer is asked
    with Peer(where, options) as peer:
        shim = peer.shim
        metadata = request.metadata(options, namespace=shim.namespace if shim is not None else "")
        sources = Sources(options, peer, fall_back=True, probe=False)
        methods = find_methods(sources, name)
        streams = methods[0].kind.client_streaming or methods[0].kind.server_streaming
        if streams:
            streaming.check(sources, methods[0], texts)
            messages = [_message(methods[0], text) for text in texts]
        else:
            text = request.one_document(texts, name)
            messages = [
                _message(method, _filled(options, method, shim) or text) for method in methods
            ]
        try:
            if streams:
                _show_request(methods[0], metadata, sources)
                return streaming.run(sources, methods[0], messages, metadata, started)
            return _try_each(sources, methods, messages, metadata, started)
        except (ConnectionClosed, RemoteProtocolError) as exc:
            raise hints.lost(exc, peer.channel, methods[0].path.lstrip("/")) from exc


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


def _filled(options: Options, method: Method, shim: Found | None) -> str:
    """The request that the address gives where ``-d`` gives none; empty where it does not."""
    return request.id_in_place(options, method, shim.id) if shim is not None else ""


def _message(method: Method, text: str) -> Any:
    return method.service.schema.from_json(method.request.DESCRIPTOR.full_name, text)


def _try_each(
    sources: Sources,
    methods: Sequence[Method],
    messages: Sequence[Any],
    metadata: dict[str, list[str]],
    started: float,
) -> int:
    """Call the first method whose service the peer has.

    Going on is harmless: a peer that says that it lacks the service has done nothing.
    """
    assert sources.peer is not None
    options, channel = sources.options, sources.peer.channel
    refusals: list[tuple[Method, RpcError]] = []
    for method, message in zip(methods, messages, strict=True):
        _show_request(method, metadata, sources)
        if filled := _filled(options, method, sources.peer.shim):
            _tell(options, f"\nRequest, without -d, by the address:\n{filled}")
        try:
            with _hint(options):
                left = hints.time_left(options, started)
                reply = channel.call(method, message, timeout=left, metadata=metadata)
        except RpcError as exc:
            refusals.append((method, exc))
            if not hints.lacks_service(exc, method):
                break
            if options.verbose:
                note(f"{method.path.lstrip('/')}: {printable(str(exc))}")
        else:
            _show_reply(method, reply, options)
            hints.say_counts(options, 1, 1, started)
            return SUCCESS
    hints.say_counts(options, len(refusals), 0, started)
    return _fail(refusals, sources)


def _fail(refusals: Sequence[tuple[Method, RpcError]], sources: Sources) -> int:
    """Print the status that tells most: one about more than the service that is not there."""
    method, error = next(
        (one for one in refusals if one[0].service.name not in one[1].message), refusals[-1]
    )
    refused = [one.service.name for one, _ in refusals]
    return hints.failed(error, method, sources, refused=refused)


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


def _show_request(method: Method, metadata: dict[str, list[str]], sources: Sources) -> None:
    if not sources.options.verbose:
        return
    from toolkit.schema.printing import print_symbol

    schema = method.service.schema
    sources.explain(schema, method.service.name)
    note("\nResolved method descriptor:")
    note(print_symbol(schema, method.descriptor).rstrip("\n"))
    note("\nRequest metadata to send:")
    for key, values in metadata.items():
        for value in values:
            note(f"{key}: {value}")
    if not metadata:
        note("(empty)")


def _tell(options: Options, text: str) -> None:
    if options.verbose:
        note(text)


def _show_reply(method: Method, reply: Any, options: Options) -> None:
    from toolkit.cli.unknown import unknown_fields

    if options.verbose:
        note("\nResponse contents:")
    schema = method.service.schema
    data(schema.to_json(reply, defaults=options.emit_defaults))
    for line in unknown_fields(reply, schema):
        note(f"Warning: {line}")
