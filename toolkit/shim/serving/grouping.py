"""Which containers share a shim: those whose ``config.json`` names the same group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    import os

__all__ = ["group_of"]

# containerd cmd/containerd-shim-runc-v2/manager: the first one that is there counts.
ANNOTATIONS = ("io.containerd.runc.v2.group", "io.kubernetes.cri.sandbox-id")


class BundleError(ToolkitError):
    """A bundle's ``config.json`` makes no sense."""


def group_of(bundle: str | os.PathLike[str], id: str) -> str:
    """The id that the shim of this bundle listens by: the group's, else its own.

    A bundle without a ``config.json`` is in no group: that of a sandbox need not have one, and
    for a container Create will ask for it.

    Raises:
        BundleError: the file makes no sense.
        OSError: it cannot be read.
    """
    path = Path(bundle) / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        return id
    except ValueError as exc:  # UnicodeDecodeError too
        raise BundleError(f"{path} is not JSON: {exc}") from exc
    annotations = (config.get("annotations") if isinstance(config, dict) else None) or {}
    for name in ANNOTATIONS:
        group = annotations.get(name) if isinstance(annotations, dict) else None
        if isinstance(group, str) and group:
            return group
    return id
