"""The files of a shim's socket: those that outlive a shim which was killed."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

__all__ = ["ADDRESS_FILE", "remove_dead", "write_address"]

ADDRESS_FILE = "address"  # in the bundle: containerd 1.6 finds a running shim by it
PROBE_TIMEOUT = 1.0  # seconds for a local socket to take a connection


def write_address(bundle: Path, address: str) -> None:
    """Note the address in the bundle, in one step."""
    part = bundle / f".{ADDRESS_FILE}"
    part.write_text(address)
    part.replace(bundle / ADDRESS_FILE)


def remove_dead(path: str) -> None:
    """Remove a socket file that nobody listens on; a group's shim may live on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
        except OSError:
            pass  # it has gone, or somebody is behind it who takes no more connections
