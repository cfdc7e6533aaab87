"""Vendored lines held against what was recorded of them, file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.releases import RECORD, Release, read_folder, search_path
from toolkit.schema.vendoring.interface import interface_of
from toolkit.schema.vendoring.sums import SUMS, file_sum, read_sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from toolkit.schema.vendoring.sums import Sum

__all__ = ["FileReport", "LineReport", "verify", "verify_line"]


class FileReport(NamedTuple):
    """How one file of a line compares with what was recorded.

    Attributes:
        name: its import name.
        state: ``equal``, ``changed``, ``missing`` or ``extra`` (not recorded).
        how: of a changed file, what of it has changed; empty where that cannot be told.
    """

    name: str
    state: str
    how: str = ""


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
        recorded = read_sums(release.root)
        names = sorted(present.keys() | recorded.keys())
        files += [FileReport(name, _state(name, present, recorded)) for name in names]
        found = interface_of(release.root, [name for name in present if name.endswith(".proto")])
    except (SchemaError, OSError) as exc:
        return LineReport(release, tuple(files), str(exc))
    problem = ""
    if found.digest != release.digest:
        wanted = release.digest or "none"
        problem = f"its interface has digest {found.digest}; {RECORD} has {wanted}"
    told = (file._replace(how=_how(file, recorded, found.files)) for file in files)
    return LineReport(release, tuple(told), problem)


def _state(name: str, present: Mapping[str, Path], recorded: Mapping[str, Sum]) -> str:
    if name not in present:
        return "missing"
    if name not in recorded:
        return "extra"
    equal = file_sum(present[name].read_bytes()) == recorded[name].content
    return "equal" if equal else "changed"


def _how(file: FileReport, recorded: Mapping[str, Sum], interfaces: Mapping[str, str]) -> str:
    if file.state != "changed" or not recorded[file.name].interface:
        return ""
    if interfaces.get(file.name) == recorded[file.name].interface:
        return "its comments, options or layout; what it declares is as recorded"
    return "what it declares"
