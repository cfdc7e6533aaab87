"""Starting a shim, as far as nothing waits: what is run with what, and what came of it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import SchemaError, ToolkitError
from toolkit.schema.binary import BinarySource
from toolkit.schema.load import load, schema_from
from toolkit.shim.bootstrap import PARAMS, Bootstrap, BootstrapError, parse_reply
from toolkit.shim.bundle import SPEC
from toolkit.shim.invocation import Invocation, shim_binary, socket_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from google.protobuf.message import Message

    from toolkit.schema.pool import Schema

__all__ = [
    "CLEANING",
    "GONE",
    "PUBLISHING",
    "SHUTDOWN",
    "Command",
    "Exit",
    "Order",
    "ShimFailed",
    "bundle_named",
    "exit_in",
    "exit_of",
    "outcome",
]


SHUTDOWN = 3.0  # seconds that containerd gives Shutdown
PUBLISHING = 1.0  # seconds for the events of a container's end
GONE = 5.0  # seconds for the process to end behind it
CLEANING = 30.0  # seconds for `delete`: runc may wait for a container's processes

_FORMS = ("protobuf", "options")
_VERSION = "2.4.2"  # of the containerd that we start shims like
_SHOWN = 2000  # characters of what a shim that failed has written


class ShimFailed(ToolkitError):
    """A shim could not be started, or did not clean up.

    Attributes:
        output: what it wrote to stderr, and to stdout where that was no answer.
        status: its exit status; minus the signal's number where one ended it; None where it hung.
    """

    def __init__(self, text: str, *, output: str = "", status: int | None = None) -> None:
        super().__init__(text)
        self.output = output
        self.status = status


class Exit(NamedTuple):
    """How a container ended.

    Attributes:
        pid: of its first process.
        status: 128 + the signal's number where one ended it.
        at: nanoseconds since 1970; 0 where the shim does not know.
    """

    pid: int
    status: int
    at: int


class Command(NamedTuple):
    """What to run, and how: ``subprocess`` takes it as it is.

    Attributes:
        words: the program and its arguments.
        environment: all of it.
        folder: the working directory, the bundle.
        stdin: what it reads.
    """

    words: list[str]
    environment: dict[str, str]
    folder: str
    stdin: bytes


class Order(NamedTuple):
    """What a caller asked for: which shim, for what.

    Attributes:
        bundle: the folder that holds the container's ``config.json``.
        id: of the container.
        namespace: containerd's namespace.
        binary: the shim's program: a path, a name on PATH, or a runtime such as
            ``io.containerd.runc.v2``.
        address: containerd's gRPC socket, which also names the shim's socket.
        ttrpc_address: where the shim publishes its events.
        options: the runtime's options: a message, or the name of a type and its values.
        form: what ``start`` gets on stdin: ``protobuf`` (containerd 2.3 and later), ``options``
            (before), or empty to tell by the binary.
        socket_dir: where the shim's socket is to be; shims of containerd 2.3 and later obey.
        debug: whether the shim logs more.
        environment: added to the environment of the shim.
    """

    bundle: Path
    id: str
    namespace: str = "default"
    binary: str = "containerd-shim-runc-v2"
    address: str = "/run/containerd/containerd.sock"
    ttrpc_address: str = ""
    options: Message | tuple[str, Mapping[str, Any]] | None = None
    form: str = ""
    socket_dir: str = ""
    debug: bool = False
    environment: Mapping[str, str] = {}

    @classmethod
    def of(cls, bundle: str | os.PathLike[str], **wanted: Any) -> Order:
        """An order whose bundle and binary are there, with their paths in full.

        Raises:
            ShimFailed: one of them is not; the text says which.
            InvocationError: the path of the socket would be too long.
        """
        path = Path(os.path.abspath(bundle))  # noqa: PTH100  # resolve() would follow links
        order = cls(path, **wanted)
        if not path.is_dir():
            raise ShimFailed(f"the bundle {path} is no folder")
        if not (path / SPEC).is_file():
            raise ShimFailed(
                f"the bundle {path} has no {SPEC}; `runc spec --bundle {path}` makes one"
            )
        if order.form not in ("", *_FORMS):
            raise ValueError(f"form is {order.form!r}; wanted one of {', '.join(_FORMS)}")
        if order.socket_dir:  # for the error: the shim's own is "invalid argument"
            socket_address(
                order.namespace, order.id, address=order.address, socket_dir=order.socket_dir
            )
        return order._replace(binary=_program(order.binary, order.environment))

    def publishing(self, address: str) -> Order:
        """The same, with its events published there."""
        return self._replace(ttrpc_address=address.removeprefix("unix://"))

    def forms(self, schema: Schema) -> Sequence[str]:
        """What to give ``start`` on stdin: the form that it knows, else both, one by one."""
        if self.form:
            return [self.form]
        if PARAMS not in schema.symbols():  # of a release that had no such form
            return ["options"]
        try:
            carried = schema_from(BinarySource(self.binary)).symbols()
        except SchemaError:  # Rust, a script
            return _FORMS
        return ["protobuf"] if PARAMS in carried else ["options"]

    def start(self, form: str, schema: Schema) -> Command:
        """The call that starts the shim, with stdin in one of the forms."""
        stdin = self._params(schema) if form == "protobuf" else self._options(schema)
        invocation = self._invocation("start")
        return self._command(invocation, stdin)

    def delete(self, folder: Path) -> Command:
        """The call that cleans up after a shim that died.

        Args:
            folder: the bundle, by a path that ends in the container's id: the runc shim takes
                the bundle for a folder of that name beside the one it runs in.
        """
        invocation = self._invocation("delete")._replace(bundle=str(folder))
        command = self._command(invocation, b"")
        # Go takes the working directory as PWD spells it.
        environment = {**command.environment, "PWD": str(folder)}
        return command._replace(folder=str(folder), environment=environment)

    def _invocation(self, action: str) -> Invocation:
        return Invocation(
            action,
            self.namespace,
            self.id,
            address=self.address,
            publish_binary="containerd",
            debug=self.debug,
        )

    def _command(self, invocation: Invocation, stdin: bytes) -> Command:
        added = {**invocation.environment(self.ttrpc_address), **self.environment}
        words = [self.binary, *invocation.arguments()]
        return Command(words, {**os.environ, **added}, str(self.bundle), stdin)

    def _params(self, schema: Schema) -> bytes:
        params = schema.message(PARAMS)(
            instance_id=self.id,
            namespace=self.namespace,
            log_level="LOG_LEVEL_DEBUG" if self.debug else "LOG_LEVEL_INFO",
            containerd_version=_VERSION,
            containerd_ttrpc_address=self.ttrpc_address,
            containerd_grpc_address=self.address,
            containerd_binary="containerd",
        )
        if self.socket_dir:
            params.socket_dir = self.socket_dir
        packed = self._packed(schema)
        if packed is not None:
            params.extensions.add(value=packed)
        data: bytes = params.SerializeToString()
        return data

    def _options(self, schema: Schema) -> bytes:
        packed = self._packed(schema)
        return b"" if packed is None else bytes(packed.SerializeToString())

    def _packed(self, schema: Schema) -> Any:
        if self.options is None:
            return None
        if isinstance(self.options, tuple):
            return schema.pack(*self.options)
        return schema.pack(self.options)


def _program(binary: str, environment: Mapping[str, str]) -> str:
    name = shim_binary(binary)
    path = environment.get("PATH", os.environ.get("PATH", os.defpath))
    found = shutil.which(name, path=path)
    if found is None:
        where = "there" if "/" in name else f"on PATH ({path})"
        raise ShimFailed(f"there is no program {name!r} {where}")
    return os.path.abspath(found)  # noqa: PTH100  # the working directory will be another


@contextlib.contextmanager
def bundle_named(order: Order) -> Iterator[Path]:
    """The bundle by a path that ends in the container's id, as ``delete`` wants it."""
    with tempfile.TemporaryDirectory(prefix="ttrpc-shim-") as place:
        folder = order.bundle
        if folder.name != order.id:
            folder = Path(place, order.id)
            folder.symlink_to(order.bundle)
        yield folder


def outcome(
    command: Command, status: int | None, stdout: bytes, stderr: bytes, *, timeout: float
) -> Bootstrap:
    """Where a shim listens, by how its ``start`` went.

    Raises:
        ShimFailed: it failed, hung, or answered what makes no sense.
    """
    program = Path(command.words[0]).name
    said = _text(stderr)
    if status is None:
        raise ShimFailed(f"{program} start did not end within {timeout:g} s{said}", output=said)
    if status != 0:
        both = _text(stdout + stderr)
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        raise ShimFailed(f"{program} start {how}{both}", output=both, status=status)
    try:
        found = parse_reply(stdout)
    except BootstrapError as exc:
        raise ShimFailed(f"{program} start: {exc}{said}", output=said, status=status) from exc
    if found.protocol != "ttrpc":
        raise ShimFailed(
            f"{program} speaks {found.protocol} at {found.address}; only ttrpc can be driven here"
        )
    return found


def exit_of(
    command: Command, status: int | None, stdout: bytes, stderr: bytes, *, timeout: float
) -> Exit:
    """What a shim's ``delete`` says of the container.

    Raises:
        ShimFailed: it failed, hung, or answered what makes no sense.
    """
    program = Path(command.words[0]).name
    said = _text(stderr)
    if status is None:
        raise ShimFailed(f"{program} delete did not end within {timeout:g} s{said}", output=said)
    if status != 0:
        raise ShimFailed(
            f"{program} delete ended with status {status}{said}", output=said, status=status
        )
    from google.protobuf.message import DecodeError

    try:
        reply = load("containerd").message("containerd.task.v2.DeleteResponse").FromString(stdout)
    except DecodeError as exc:
        shown = stdout[:_SHOWN]
        raise ShimFailed(
            f"{program} delete answered {shown!r}: no DeleteResponse{said}", output=said
        ) from exc
    return exit_in(reply)


def exit_in(reply: Any) -> Exit:
    """The end of a container in a reply of Delete."""
    at = reply.exited_at.seconds * 1_000_000_000 + reply.exited_at.nanos
    return Exit(reply.pid, reply.exit_status, max(at, 0))  # Go's zero time is long before 1970


def _text(data: bytes) -> str:
    """What a program wrote, to be put behind a sentence."""
    text = data.decode("utf-8", "replace").strip()
    if len(text) > _SHOWN:
        text = f"... {text[-_SHOWN:]}"
    return f"; it wrote: {text}" if text else ""
