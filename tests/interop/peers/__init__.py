"""Where the peers of the interoperability tests are, once ``make peers`` has built them."""

import os
from pathlib import Path

__all__ = ["INTEROP", "folder", "program"]

INTEROP = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The cache folder of the peers: ``$TTRPC_PEERS``, else one below the user's cache."""
    chosen = os.environ.get("TTRPC_PEERS")
    if chosen:
        return Path(chosen).absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ttrpc-toolkit" / "peers"


def program(name: str) -> Path:
    """The path of a program, built or not, as ``go/peer`` or ``containerd/2.4/ctr``."""
    return folder() / name
