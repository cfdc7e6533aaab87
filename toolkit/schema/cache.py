"""The folder of what took long to make, and is good for exactly what it was made from.

An entry is a file that begins with a checksum of what follows: the folder is ours alone, so that it
is against damage, not malice. Whatever is wrong with the cache, the answer is to make the entry
again.
"""

from __future__ import annotations

import os
import stat
from binascii import crc32
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.schema.warning import warn

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["cache_folder", "read_entry", "store_entries"]

CHECKSUM_SIZE = 4
MAX_SIZE = 64 << 20  # bytes in all; a release takes 0.4 MB


def cache_folder() -> Path | None:
    """Where entries are: below ``$XDG_CACHE_HOME``, else the home; None when there is no home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    if named.startswith("/"):  # the XDG specification: a relative one is to be ignored
        return Path(named, "ttrpc-toolkit")
    home = os.environ.get("HOME") or _passwd_home()
    return Path(home, ".cache", "ttrpc-toolkit") if home.startswith("/") else None


def _passwd_home() -> str:
    import pwd  # a shim that containerd starts has no HOME

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""


def read_entry(folder: Path, name: str) -> bytes | None:
    """The body of a file in the cache; None when there is none that is sound and ours."""
    path = folder / name
    try:
        if not _is_ours(folder):
            return None
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        warn(__name__, "cannot read the cache: %s", exc)
        return None
    body = data[CHECKSUM_SIZE:]
    if _checksum(body) != data[:CHECKSUM_SIZE]:
        warn(__name__, "damaged cache entry %s: making it again", path)
        return None
    return body


def _is_ours(folder: Path) -> bool:
    """Whether nobody else can have put something into the folder."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        warn(__name__, "%s is no directory: going without a cache", folder)
    elif found.st_uid != os.geteuid():
        warn(__name__, "%s belongs to user %d: going without a cache", folder, found.st_uid)
    elif found.st_mode & 0o022:
        warn(__name__, "others may write to %s: going without a cache", folder)
    else:
        return True
    return False


def store_entries(folder: Path, bodies: Mapping[str, bytes]) -> None:
    """Put files into the cache, each whole; where that cannot be, it is only logged."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(folder):
            return
        for name, body in bodies.items():
            _replace(folder / name, _checksum(body) + body)
        _prune(folder)
    except OSError as exc:
        warn(__name__, "cannot write the cache: %s", exc)


def _replace(path: Path, data: bytes) -> None:
    import threading

    draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123  # its mode is set from the start
            file.write(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _prune(folder: Path) -> None:
    """Remove the entries that were written first, until the rest is no more than allowed."""
    with os.scandir(folder) as entries:
        files = [(entry.stat().st_mtime_ns, entry.stat().st_size, entry.path) for entry in entries]
    excess = sum(size for _, size, _ in files) - MAX_SIZE
    for _, size, path in sorted(files):
        if excess <= 0:
            return
        Path(path).unlink(missing_ok=True)
        excess -= size


def _checksum(body: bytes) -> bytes:
    return crc32(body).to_bytes(CHECKSUM_SIZE, "big")
