"""Where the data files are: in an installed wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["data_dir"]

_PACKAGE = Path(__file__).parent


def data_dir(kind: Literal["templates", "vendor"]) -> Path:
    """The folder of this kind of data file.

    Raises:
        FileNotFoundError: neither the installed package nor a checkout has it.
    """
    installed = _PACKAGE / "_data" / kind
    if installed.is_dir():
        return installed
    root = _PACKAGE.parent
    if (root / "pyproject.toml").is_file() and (root / kind).is_dir():
        return root / kind
    raise FileNotFoundError(f"ttrpc-toolkit's {kind} folder is not at {installed}: reinstall it")
