"""ADDRESS as people type it: a URL, a socket's path, a bundle, a shim's name, an abstract one."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.errors import CommandError, UsageError

if TYPE_CHECKING:
    from toolkit.shim.finding.found import Found

__all__ = ["is_address", "is_there", "resolve", "shim_named"]

_UNIX_SOCKETS = Path("/proc/net/unix")
_BUNDLE_FILES = ("bootstrap.json", "address")


def is_address(argument: str) -> bool:
    """Whether an argument says by its spelling that it is an address."""
    return (
        "://" in argument
        or argument in {".", ".."}
        or argument.startswith(("/", "@", "./", "../", "unix:"))
    )


def is_there(argument: str) -> bool:
    """Whether an argument is the path of a socket, or of a bundle, that exists."""
    try:
        if stat.S_ISSOCK(os.stat(argument).st_mode):  # noqa: PTH116  # as bytes of a start-up path
            return True
    except (OSError, ValueError):
        return False
    return any(os.path.exists(f"{argument}/{name}") for name in _BUNDLE_FILES)  # noqa: PTH110


def shim_named(argument: str) -> Found | None:
    """The shim that ``shim://NAMESPACE/ID`` stands for; None for any other ADDRESS.

    The start of an id will do where only one shim has it.

    Raises:
        AddressError: the namespace or the id is missing.
        ShimNotFound: there is no such shim, or there are several.
    """
    if not argument.startswith("shim://"):
        return None
    from toolkit.shim.finding.connecting import find, split_name  # /proc is looked through

    return find(*split_name(argument), prefix=True)


def resolve(argument: str) -> str:
    """The address that a channel takes.

    Raises:
        CommandError: a directory that is no bundle, or a bundle whose shim does not speak TTRPC.
        UsageError: it is empty.
    """
    if not argument:
        raise UsageError("the ADDRESS is empty; is it a variable that is not set?")
    if "://" in argument:
        return argument.removeprefix("ttrpc+")
    # gRPC's name syntax: unix:path, relative or absolute.
    path = argument.removeprefix("unix:")
    if path.startswith("@"):
        return f"unix://{path}"
    # os.path answers False where Path raises: in a folder that this user may not look into.
    if os.path.isdir(path):  # noqa: PTH112
        return _bundle(Path(path))
    if not os.path.exists(path) and _is_abstract(path):  # noqa: PTH110
        return f"unix://@{path}"
    return f"unix://{Path(path).absolute()}"


def _is_abstract(name: str) -> bool:
    try:
        with _UNIX_SOCKETS.open(encoding="utf-8", errors="replace") as table:
            return any(line.rstrip("\n").endswith(f" @{name}") for line in table)
    except OSError:
        return False


def _bundle(folder: Path) -> str:
    """The address that containerd 2.x (``bootstrap.json``) or 1.x (``address``) left there."""
    text = _read(folder / "bootstrap.json")
    if text is not None:
        return _bootstrap(folder, text)
    text = _read(folder / "address")
    if text is None:
        raise CommandError(
            f"{folder} is a directory with neither bootstrap.json nor address in it; "
            "name a shim's bundle or its socket"
        )
    return _shim_address(text.strip())


def _bootstrap(folder: Path, text: str) -> str:
    import json  # only those who name a bundle pay for it

    try:
        found = json.loads(text)
        address, protocol = str(found["address"]), found.get("protocol", "ttrpc")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise CommandError(f"{folder}/bootstrap.json holds no address: {exc!r}") from exc
    if protocol != "ttrpc":
        raise CommandError(f"{folder}/bootstrap.json: this shim speaks {protocol}, not ttrpc")
    return _shim_address(address)


def _shim_address(text: str) -> str:
    # containerd pkg/shim/util_unix.go: without a scheme the name is an abstract one.
    return text if "://" in text else f"unix://@{text}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except PermissionError as exc:
        raise CommandError(
            f"cannot read {path}: permission denied; the bundles of containerd belong to root"
        ) from exc
    except OSError as exc:
        raise CommandError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CommandError(f"{path} is not UTF-8: {exc.reason}") from exc
