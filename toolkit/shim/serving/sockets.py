"""The files of a shim's socket: those that outlive a shim which was killed."""

from __future__ import annotations

from pathlib import Path

from toolkit.shim.bundle import ADDRESS_FILE
from toolkit.sockets.listening import is_live

__all__ = ["remove_dead", "write_address"]


def write_address(bundle: Path, address: str) -> None:
    """Note the address in the bundle, in one step."""
    part = bundle / f".{ADDRESS_FILE}"
    part.write_text(address)
    part.replace(bundle / ADDRESS_FILE)


def remove_dead(path: str) -> None:
    """Remove a socket file that nobody listens on; a group's shim may live on."""
    if not is_live(path):
        Path(path).unlink(missing_ok=True)
