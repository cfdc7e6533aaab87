"""Vendored lines on disk: writing one, all or nothing, and verifying what is there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.compare import digest, structure
from toolkit.schema.compile import compile_protos
from toolkit.schema.files import split_set
from toolkit.schema.linking import link
from toolkit.schema.releases import RECORD, Release, read_folder, search_path
from toolkit.schema.tree import check_name, replace_file, replace_folder, staged
from toolkit.schema.vendorfile import with_release

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from toolkit.schema.compare import Structure

__all__ = ["SUMS", "FileReport", "LineReport", "header", "verify", "verify_line", "write_line"]

SUMS = "SHA256SUMS"  # in the folder of the line, as `sha256sum --check` reads it

_OWN = "toolkit/"  # files of ours that extend what is vendored beside them

_PROJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class FileReport(NamedTuple):
    """How one file of a line compares with what was recorded.

    Attributes:
        name: its import name.
        state: ``equal``, ``changed``, ``missing`` or ``extra`` (not recorded).
    """

    name: str
    state: str


class LineReport(NamedTuple):
    """How one vendored line compares with what was recorded.

    Attributes:
        release: the line.
        files: every file, by name.
        problem: what is wrong with the line as a whole; empty when nothing is.
    """

    release: Release
    files: tuple[FileReport, ...]
    problem: str = ""

    @property
    def equal(self) -> bool:
        """Whether every file and the whole interface are as recorded."""
        return not self.problem and all(file.state == "equal" for file in self.files)


def header(release: Release, name: str) -> list[str]:
    """The comment at the top of a vendored file: where its interface comes from."""
    if name.startswith(_OWN):
        return ["An interface of ttrpc-toolkit's own."]
    place = "branch" if release.tag == "main" else "tag"
    source = f"{place} {release.tag}" if release.tag else "an unknown tag"
    if release.tag:
        source += f", commit {release.commit or 'not known'}"
    lines = [f"{release.project} {release.line}: {source}"]
    if release.repository:
        lines[-1] += ","
        lines.append(f"of {release.repository}.")
    return [*lines, "The interface as declared there; layout and comments are ttrpc-toolkit's own."]


def write_line(vendor: Path, release: Release, files: Mapping[str, str]) -> Release:
    """Vendor a line: its files under ``vendor``, and its record in ``vendor.toml``.

    The files must compile with nothing but each other. When anything fails, what was there stays.

    Args:
        vendor: a folder of the search path.
        release: what to record; digest, root and origin are found here.
        files: source text by import name; the engine's ``google/protobuf`` files left out.

    Returns:
        The release as it was recorded.

    Raises:
        CompileError: a file has errors, or imports one that is not there.
        SchemaError: a name cannot be a file's, or ``vendor.toml`` is broken.
        OSError: the folder cannot be written.
    """
    if not _PROJECT.fullmatch(release.project) or not _LINE.fullmatch(release.line):
        raise SchemaError(f"{release.name!r} is no name for a line; wanted PROJECT@MAJOR.MINOR")
    folder = vendor / release.project / release.line
    contents = dict(files)
    contents[SUMS] = _sums_text({name: _sum(text.encode()) for name, text in files.items()})
    with staged(folder, contents) as stage:
        found = digest(_compiled(stage, sorted(files)))
        recorded = release._replace(digest=found, root=folder, origin=str(vendor))
        record = with_release(vendor, recorded)
        replace_folder(folder, stage)
        replace_file(*record)
    return recorded


def verify(folders: Iterable[Path] | None = None) -> list[LineReport]:
    """Recompile every line and hold it against what was recorded of it.

    Args:
        folders: where to look; the whole search path when not given.

    Raises:
        SchemaError: a ``vendor.toml`` is broken.
    """
    chosen = search_path() if folders is None else folders
    return [
        verify_line(release)
        for folder in chosen
        for release in read_folder(folder, origin=str(folder))
    ]


def verify_line(release: Release) -> LineReport:
    """Recompile one line and hold it against what was recorded of it."""
    present = {
        path.relative_to(release.root).as_posix(): path
        for path in sorted(release.root.rglob("*"))
        if path.is_file() and path.name != SUMS
    }
    files: list[FileReport] = []
    try:
        recorded = _read_sums(release.root)
        names = sorted(present.keys() | recorded.keys())
        files += [FileReport(name, _state(name, present, recorded)) for name in names]
        found = digest(_compiled(release.root, [name for name in present if _is_proto(name)]))
    except (SchemaError, OSError) as exc:
        return LineReport(release, tuple(files), str(exc))
    problem = ""
    if found != release.digest:
        problem = f"its interface has digest {found}; {RECORD} has {release.digest or 'none'}"
    return LineReport(release, tuple(files), problem)


def _state(name: str, present: Mapping[str, Path], recorded: Mapping[str, str]) -> str:
    if name not in present:
        return "missing"
    if name not in recorded:
        return "extra"
    return "equal" if _sum(present[name].read_bytes()) == recorded[name] else "changed"


def _is_proto(name: str) -> bool:
    return name.endswith(".proto")


def _compiled(root: Path, names: Sequence[str]) -> Structure:
    """The structure of the files, compiled with ``root`` as their only import root."""
    if not names:
        raise SchemaError(f"{root} has no .proto file")
    for name in names:
        check_name(name)
    pool, files = link(str(root), split_set(compile_protos(names, [root])))
    return structure(pool.FindFileByName(file.name) for file in files)


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sums_text(sums: Mapping[str, str]) -> str:
    return "".join(f"{one}  {name}\n" for name, one in sorted(sums.items()))


def _read_sums(root: Path) -> dict[str, str]:
    path = root / SUMS
    sums = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        one, gap, name = line.partition("  ")
        if not gap:
            raise SchemaError(f"{path}:{number} is {line!r}; wanted a sum, two spaces and a name")
        sums[name] = one
    return sums
