"""Adding, replacing and removing a vendored line: whole or not at all, also under ``kill -9``.

``vendor.toml`` says where each line is, and is itself replaced in one step. So a line that is there
already is replaced in the order

1. the new tree is written and compiled in a hidden folder beside the old one;
2. the record names the hidden folder: from here on the line is the new one;
3. the tree is put in the usual place too, the record names that, and the hidden folder goes.

After any of these steps the record names a whole tree of its own interface.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from typing import TYPE_CHECKING

from toolkit.errors import ReleaseNotFound, SchemaError
from toolkit.schema.nearest import nearest
from toolkit.schema.releases import Release, read_folder
from toolkit.schema.tree import replace_file, replace_folder, staged
from toolkit.schema.vendoring.interface import interface_of
from toolkit.schema.vendoring.record import with_release, without_release
from toolkit.schema.vendoring.sums import SUMS, sums_text
from toolkit.schema.vendoring.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["check_line", "remove_line", "write_line"]

_LOCK = ".lock"
_PROJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def check_line(project: str, line: str) -> None:
    """Refuse what cannot be the name of a line.

    Raises:
        SchemaError: with what is wanted instead.
    """
    if not _PROJECT.fullmatch(project) or not _LINE.fullmatch(line):
        text = f"{project}@{line}" if line else project
        raise SchemaError(f"{text!r} is no name for a line; wanted PROJECT@MAJOR.MINOR")
    if project == WORDS:
        raise SchemaError(f"no project can be called {WORDS!r}: that folder is for words")


def write_line(
    vendor: Path, release: Release, files: Mapping[str, str], *, interface: str = ""
) -> Release:
    """Vendor a line: its files under ``vendor``, and its record in ``vendor.toml``.

    The files must compile with nothing but each other. When anything fails, what was there stays.

    Args:
        vendor: a folder of the search path.
        release: what to record; digest, root and origin are found here.
        files: source text by import name; the engine's ``google/protobuf`` files left out.
        interface: the digest that the files must have, where it is known.

    Returns:
        The release as it was recorded.

    Raises:
        CompileError: a file has errors, or imports one that is not there.
        SchemaError: a name cannot be a file's, or ``vendor.toml`` is broken.
        OSError: the folder cannot be written.
    """
    check_line(release.project, release.line)
    folder = vendor / release.project / release.line
    with _alone(vendor, folder), staged(folder, files) as stage:
        _refuse_others(folder)
        found = interface_of(stage, sorted(files))
        if interface and found.digest != interface:
            raise SchemaError(
                f"{release.name} as it was printed declares something else than its source: "
                f"{found.digest}, not {interface}; please report it"
            )
        (stage / SUMS).write_text(sums_text(files, found.files), encoding="utf-8", newline="\n")
        recorded = release._replace(digest=found.digest, root=folder, origin=str(vendor))
        if _is_recorded(vendor, release):
            _replace(vendor, recorded, stage)
        else:
            _add(vendor, recorded, stage)
    return recorded


def remove_line(vendor: Path, project: str, line: str) -> Release:
    """Remove a line: its record first, then its files.

    Raises:
        ReleaseNotFound: the folder has no such line.
        SchemaError: ``vendor.toml`` is broken.
        OSError: the folder cannot be written.
    """
    folder = vendor / project / line
    if not vendor.is_dir():
        raise _no_line(vendor, project, line, [])
    with _alone(vendor):
        known = read_folder(vendor, origin=str(vendor))
        found = next((one for one in known if (one.project, one.line) == (project, line)), None)
        if found is None:
            raise _no_line(vendor, project, line, known)
        replace_file(*without_release(vendor, found))
        # A record may name any folder; only one of ours is removed with it.
        if found.root in (folder, _live(folder)):
            _remove_tree(folder)
            _remove_tree(_live(folder))
            with contextlib.suppress(OSError):  # other lines of the project are there
                folder.parent.rmdir()
    return found


def _no_line(vendor: Path, project: str, line: str, known: Sequence[Release]) -> ReleaseNotFound:
    name = f"{project}@{line}"
    near = nearest(name, [one.name for one in known])
    return ReleaseNotFound(name, nearest=near, searched=[str(vendor)])


@contextlib.contextmanager
def _alone(vendor: Path, folder: Path | None = None) -> Iterator[None]:
    """Keep others from writing: two would lose one another's record.

    What an earlier process was killed over, at this folder, is finished first.
    """
    try:
        vendor.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SchemaError(f"{vendor} is a file; wanted a folder for releases") from None
    # A file, and open for writing: NFS locks nothing else.
    descriptor = os.open(vendor / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder is not None:
            _sweep(vendor, folder)
        yield
    finally:
        os.close(descriptor)


def _refuse_others(folder: Path) -> None:
    """Replace what we have written, and nothing else."""
    if folder.is_symlink():
        raise SchemaError(f"{folder} is a symbolic link; wanted a folder, or nothing, to replace")
    ours = (folder / SUMS).is_file()
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise SchemaError(
            f"{folder} is there, and is no release: it has no {SUMS}; move it away first"
        )


def _is_recorded(vendor: Path, release: Release) -> bool:
    known = read_folder(vendor, origin=str(vendor))
    return any((one.project, one.line) == (release.project, release.line) for one in known)


def _replace(vendor: Path, recorded: Release, stage: Path) -> None:
    live = _live(recorded.root)
    try:
        shutil.copytree(stage, live)
        replace_file(*with_release(vendor, recorded._replace(root=live)))
        _settle(vendor, recorded, stage)
    except BaseException:
        _sweep_leftovers(vendor, recorded.root)
        raise


def _add(vendor: Path, recorded: Release, stage: Path) -> None:
    replace_folder(recorded.root, stage)
    try:
        replace_file(*with_release(vendor, recorded))
    except BaseException:
        if not _is_recorded(vendor, recorded):
            _remove_tree(recorded.root)
        raise


def _settle(vendor: Path, recorded: Release, stage: Path) -> None:
    """Put the tree of a line whose record names the hidden folder where it belongs."""
    replace_folder(recorded.root, stage)
    replace_file(*with_release(vendor, recorded))
    _remove_tree(_live(recorded.root))


def _live(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.live")


def _sweep(vendor: Path, folder: Path) -> None:
    """Finish what a killed process began with a line, and remove what it left."""
    for release in read_folder(vendor, origin=str(vendor)):
        if release.root == _live(folder) and release.root.is_dir():
            stage = folder.with_name(f".{folder.name}.settling")
            _remove_tree(stage)
            shutil.copytree(release.root, stage)
            _settle(vendor, release._replace(root=folder), stage)
    _sweep_leftovers(vendor, folder)


def _sweep_leftovers(vendor: Path, folder: Path) -> None:
    """Remove the hidden folders of a line that the record does not name."""
    named = {release.root for release in read_folder(vendor, origin=str(vendor))}
    for left in folder.parent.glob(f".{folder.name}.*"):
        if left not in named:
            _remove_tree(left)


def _remove_tree(folder: Path) -> None:
    """Remove a folder, or the link to one, if it is there."""
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
