"""What ``start`` is told and what it answers, in every form that containerd has used.

containerd/containerd, ``pkg/shim`` and ``core/runtime/v2``:

======== ============================================ =========================================
releases stdin                                        stdout
======== ============================================ =========================================
to 1.6   the runtime's options, an ``Any``, or empty  the address as text
to 2.2   the same                                     JSON, or the address as text
from 2.3 ``BootstrapParams``, protobuf                ``BootstrapResult``, or any of the above
======== ============================================ =========================================
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.message import DecodeError

from toolkit.errors import ToolkitError
from toolkit.schema.load import load
from toolkit.shim.bundle import ADDRESS_FILE, BOOTSTRAP_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

__all__ = [
    "TASK_SERVICES",
    "Bootstrap",
    "BootstrapError",
    "parse_reply",
    "read_bundle",
    "read_params",
    "write_bundle",
]

PARAMS = "containerd.runtime.bootstrap.v1.BootstrapParams"
RESULT = "containerd.runtime.bootstrap.v1.BootstrapResult"

# The task API that a bootstrap version stands for.
TASK_SERVICES = {2: "containerd.task.v2.Task", 3: "containerd.task.v3.Task"}
PROTOCOLS = ("ttrpc", "grpc")

_LOCAL = ("unix://", "vsock://", "hvsock://")
_MAX_READ = 64 << 10  # bytes of a file; an address has a hundred
_MAX_SHOWN = 200  # bytes of a reply that makes no sense


class BootstrapError(ToolkitError):
    """A shim's answer to ``start``, or what a bundle says of its shim, makes no sense."""


class Bootstrap(NamedTuple):
    """Where a shim listens, and what it speaks there.

    Attributes:
        version: of the task API, 2 or 3.
        address: as the shim gave it: ``unix://PATH``, ``vsock://CID:PORT``; what has no ``://`` is
            the name of an abstract socket.
        protocol: ``ttrpc`` or ``grpc``.
    """

    version: int
    address: str
    protocol: str = "ttrpc"

    @property
    def service(self) -> str:
        """The full name of its Task service."""
        return TASK_SERVICES[self.version]

    @property
    def channel_address(self) -> str:
        """The address as ``connect`` takes it."""
        return self.address if "://" in self.address else f"unix://@{self.address}"

    def as_json(self) -> bytes:
        """As shims answer that know no protobuf form, and as a bundle's file has it."""
        return json.dumps(self._asdict(), separators=(",", ":")).encode()

    def as_text(self) -> bytes:
        """The address alone: version 2, over TTRPC."""
        return self.address.encode()

    def as_protobuf(self, schema: Schema | None = None) -> bytes:
        """A ``BootstrapResult``."""
        message = _schema(schema).message(RESULT)
        data: bytes = message(**self._asdict()).SerializeToString()
        return data


def parse_reply(data: bytes, schema: Schema | None = None) -> Bootstrap:
    """What a shim answered to ``start``, whichever form it chose.

    Raises:
        BootstrapError: no form, or a version or protocol that is not known.
    """
    if not data.strip():
        raise BootstrapError("the shim answered nothing; wanted where it listens")
    found = _from_protobuf(data, schema) or _from_json(data) or _from_text(data)
    if found is None:
        shown = data[:_MAX_SHOWN]
        more = f" and {len(data) - _MAX_SHOWN} bytes more" if len(data) > _MAX_SHOWN else ""
        raise BootstrapError(
            f"the shim answered {shown!r}{more}: neither a BootstrapResult, nor JSON, nor an "
            "address; does it write messages to its stdout?"
        )
    if found.version not in TASK_SERVICES:
        raise BootstrapError(
            f"the shim speaks version {found.version} of the task API; known are 2 and 3"
        )
    if found.protocol not in PROTOCOLS:
        raise BootstrapError(
            f"the shim speaks {found.protocol!r}; known are {' and '.join(PROTOCOLS)}"
        )
    return found


def _from_protobuf(data: bytes, schema: Schema | None) -> Bootstrap | None:
    try:
        result = _schema(schema).message(RESULT).FromString(data)
    except DecodeError:
        return None
    if not result.address or not result.version:  # text may parse as a message of unknown fields
        return None
    return Bootstrap(result.version, result.address, result.protocol or "ttrpc")


def _from_json(data: bytes) -> Bootstrap | None:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    version, address = values.get("version"), values.get("address")
    protocol = values.get("protocol", "ttrpc")
    if not isinstance(version, int) or not isinstance(address, str) or not address:
        return None
    return Bootstrap(version, address, protocol) if isinstance(protocol, str) else None


def _from_text(data: bytes) -> Bootstrap | None:
    try:
        address = data.decode().strip()
    except UnicodeDecodeError:
        return None
    # An old abstract address begins with a slash: /containerd-shim/NAMESPACE/ID/shim.sock
    plain = address.isprintable() and " " not in address
    if not plain or not address.startswith(("unix://", "vsock://", "hvsock://", "/", "@")):
        return None
    return Bootstrap(2, address.removeprefix("@"))


def read_params(
    data: bytes, *, namespace: str, id: str, schema: Schema | None = None
) -> Any | None:
    """The ``BootstrapParams`` that a shim got on stdin; None where containerd sent none.

    Options of older releases may parse as such a message: that it names the same namespace and
    id as the command line does tells them apart, as containerd's own shims tell it.
    """
    if not data:
        return None
    try:
        params = _schema(schema).message(PARAMS).FromString(data)
    except DecodeError:
        return None
    same = (params.namespace, params.instance_id) == (namespace, id)
    return params if same else None


def read_bundle(bundle: Path) -> Bootstrap | None:
    """What a bundle says of its shim; None where it says nothing yet.

    Raises:
        BootstrapError: the file makes no sense.
        OSError: it cannot be read.
    """
    for name in (BOOTSTRAP_FILE, ADDRESS_FILE):
        try:
            data = _read(bundle / name)
        except FileNotFoundError:
            continue
        found = _from_json(data) if name == BOOTSTRAP_FILE else _from_text(data)
        if found is None or found.version not in TASK_SERVICES or not _is_plain(found.address):
            raise BootstrapError(f"{bundle / name} holds {data[:_MAX_SHOWN]!r}: no shim's address")
        return found
    return None


def _read(path: Path) -> bytes:
    """The start of a file that anybody may have put there.

    Raises:
        BootstrapError: it is no file: reading a pipe may take for ever.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BootstrapError(f"{path} is no regular file")
        return os.read(descriptor, _MAX_READ)
    finally:
        os.close(descriptor)


def _is_plain(address: str) -> bool:
    """Whether it is where a shim may listen: on this host, and by a name that can be one."""
    elsewhere = "://" in address and not address.startswith(_LOCAL)
    return not elsewhere and address.isprintable() and "\0" not in address


def write_bundle(bundle: Path, bootstrap: Bootstrap) -> None:
    """Note in a bundle where its shim listens, as containerd does since 1.7."""
    (bundle / BOOTSTRAP_FILE).write_bytes(bootstrap.as_json())


def _schema(schema: Schema | None) -> Schema:
    return schema if schema is not None else load("containerd")
