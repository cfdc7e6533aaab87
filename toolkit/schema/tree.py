"""Writing files whose names others chose: inside one folder, all of them or none."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["check_name", "replace_file", "replace_folder", "staged", "write_tree"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # linux/fs.h


def check_name(name: str) -> PurePosixPath:
    """The relative path that a schema's file name stands for.

    Raises:
        SchemaError: it is absolute, climbs with ``..`` or cannot be a file name; a descriptor may
            come from a peer, and its names must not choose where we write.
    """
    path = PurePosixPath(name)
    plain = name == path.as_posix() and name.isprintable() and "\\" not in name
    if not plain or path.is_absolute() or ".." in path.parts or not path.name:
        raise SchemaError(f"{name!r} is no name for a file to write; wanted a plain relative path")
    return path


def write_tree(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write files below a folder, replacing those of the same names and leaving the others.

    Nothing is there before everything could be written.

    Raises:
        SchemaError: a name leads out of the folder, or two cannot both be files.
        OSError: the disk is full, or the place cannot be written.
    """
    for name in files:
        check_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    with staged(folder, files, inside=True) as stage:
        targets = {stage / name: _target(folder, name) for name in sorted(files)}
        for target in targets.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        for source, target in targets.items():
            source.replace(target)
    return list(targets.values())


@contextlib.contextmanager
def staged(folder: Path, files: Mapping[str, str], *, inside: bool = False) -> Iterator[Path]:
    """A temporary folder, beside or inside ``folder``, with the files; gone after the block.

    Raises:
        SchemaError, OSError: as for ``write_tree``.
    """
    paths = {check_name(name): text for name, text in files.items()}
    place = folder if inside else folder.parent
    place.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=place))
    try:
        stage.chmod(0o755)  # mkdtemp's own 0700 would hide the tree from other users
        for path, text in paths.items():
            _write(stage / path, text)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def replace_folder(folder: Path, stage: Path) -> None:
    """Put ``stage`` where ``folder`` is; ``stage`` is then the old tree, or gone."""
    if not folder.exists():
        stage.rename(folder)
    elif not _exchange(folder, stage):
        old = stage.with_name(f"{stage.name}.old")
        folder.rename(old)
        try:
            stage.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        old.rename(stage)


def replace_file(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never a part."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    stage = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        stage.chmod(0o644)
        stage.replace(path)
    except BaseException:
        stage.unlink(missing_ok=True)
        raise


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except (FileExistsError, NotADirectoryError) as exc:
        raise SchemaError(f"{path.name!r} is named both as a file and as a folder") from exc


def _target(folder: Path, name: str) -> Path:
    target = folder / name
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise SchemaError(f"{target} is outside of {folder}, by a symbolic link")
    if target.is_dir():
        raise SchemaError(f"{target} is a folder; a file of this name is to be written")
    return target


def _exchange(left: Path, right: Path) -> bool:
    """Swap two folders in one step, so that no moment has neither; False where that cannot be."""
    import ctypes  # only an update of a vendored line takes it

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # not Linux, or a C library without it
        return False
    paths = (_AT_FDCWD, os.fsencode(left), _AT_FDCWD, os.fsencode(right))
    return bool(rename(*paths, _RENAME_EXCHANGE) == 0)
