"""A generated package on disk: written whole or not at all, and held against what is there."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import SchemaError
from toolkit.schema.tree import replace_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["differences", "write_package"]

# How each Python file of ours begins, whatever its title is.
_MARK = re.compile(
    r'''"""(?:(?!""").)*\nMade by `ttrpc codegen`; do not edit\.\n"""\n''', re.DOTALL
)
_SIGN = "_schema.py"  # the file by which a package of ours is known
_CACHES = "__pycache__"


def differences(folder: Path, files: Mapping[str, bytes]) -> str:
    """How the files in a folder differ from those that belong there, as a unified diff."""
    parts = []
    stale = dict.fromkeys(_left_over(folder, files), b"")
    for name, wanted in sorted({**files, **stale}.items()):
        path = folder / name
        try:
            found: bytes | None = path.read_bytes()
        except FileNotFoundError:
            found = None
        if found != wanted or name in stale:
            parts.append(_diff(path, found, None if name in stale else wanted))
    return "".join(parts)


def write_package(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold these files; what is in it and is not ours is kept.

    The new folder takes the place of the old one in one step: whoever interrupts it finds either.

    Raises:
        SchemaError: the folder is there and no package of ours.
        OSError: it cannot be written.
    """
    folder = Path(os.path.realpath(folder))
    if folder.exists():
        _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        stage.chmod(folder.stat().st_mode & 0o777 if folder.exists() else 0o755)
        for name, content in files.items():
            (stage / name).write_bytes(content)
        for path in _foreign(folder, files):
            _copy(path, stage / path.name)
        replace_folder(folder, stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _refuse_foreign(folder: Path) -> None:
    if not folder.is_dir():
        raise SchemaError(f"{folder} is a file; a folder is to be written")
    if not any(path.name != _CACHES for path in folder.iterdir()):
        return
    if not _is_ours(folder / _SIGN):
        raise SchemaError(
            f"{folder} holds other things than `ttrpc codegen` has written; name a new folder"
        )


def _left_over(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """The files of ours that do not belong there any more."""
    if not folder.is_dir():
        return []
    extra = [path for path in folder.iterdir() if path.name not in files and path.is_file()]
    of_ours = {"schema.binpb"} if _is_ours(folder / _SIGN) else set()
    return sorted(path.name for path in extra if path.name in of_ours or _is_ours(path))


def _foreign(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """What is in the folder and is neither written now nor was by us before."""
    if not folder.is_dir():
        return []
    gone = {*_left_over(folder, files), *files, _CACHES}
    return [path for path in folder.iterdir() if path.name not in gone]


def _is_ours(path: Path) -> bool:
    if path.suffix not in {".py", ".pyi"}:
        return False
    try:
        with path.open(encoding="utf-8") as file:
            return _MARK.match(file.read(2000)) is not None
    except (OSError, UnicodeDecodeError):
        return False


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _diff(path: Path, found: bytes | None, wanted: bytes | None) -> str:
    try:
        old, new = ((data or b"").decode().splitlines(keepends=True) for data in (found, wanted))
    except UnicodeDecodeError:
        return f"{path}: differs\n"
    before, after = ("/dev/null" if data is None else str(path) for data in (found, wanted))
    text = "".join(difflib.unified_diff(old, new, before, after))
    return text or f"{path}: {'missing' if found is None else 'not wanted any more'}\n"
