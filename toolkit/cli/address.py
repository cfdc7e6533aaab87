"""ADDRESS as people type it: a URL, a socket's path, a bundle, an old shim's abstract name."""

from __future__ import annotations

from pathlib import Path

from toolkit.cli.errors import CommandError

__all__ = ["resolve"]

_UNIX_SOCKETS = Path("/proc/net/unix")


def resolve(argument: str) -> str:
    """The address that a channel takes.

    Raises:
        CommandError: a directory that is no bundle, or a bundle whose shim does not speak TTRPC.
    """
    if "://" in argument:
        return argument.removeprefix("ttrpc+")
    if argument.startswith("@"):
        return f"unix://{argument}"
    path = Path(argument)
    if path.is_dir():
        return _bundle(path)
    if not path.exists() and _is_abstract(argument):
        return f"unix://@{argument}"
    return f"unix://{path.absolute()}"


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
    except (OSError, UnicodeDecodeError) as exc:
        raise CommandError(f"cannot read {path}: {exc}") from exc
