"""Making a vendored line of any source: a tree, a descriptor set, what a program carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.compare import differences, digest, structure_of
from toolkit.schema.files import read_package
from toolkit.schema.history import History
from toolkit.schema.load import schema_from
from toolkit.schema.protofiles import is_engine
from toolkit.schema.releases import Release, line_key, read_folder, releases
from toolkit.schema.sources import DescriptorSetSource, VendoredSource
from toolkit.schema.vendoring.checkout import Checkout
from toolkit.schema.vendoring.provenance import Provenance, companions, provenance
from toolkit.schema.vendoring.selecting import of_project
from toolkit.schema.vendoring.text import described, texts
from toolkit.schema.vendoring.words import read_words
from toolkit.schema.vendoring.writing import check_line, write_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.schema.compare import Difference, Structure
    from toolkit.schema.pool import Schema
    from toolkit.schema.sources import SchemaSource

__all__ = ["Synced", "line_before", "split_name", "sync", "tree_source"]

_SHOWN = 3  # files that are named in a note


class Synced(NamedTuple):
    """A line that was vendored.

    Attributes:
        release: what was recorded.
        files: how many files were written.
        before: the line that it is compared with: the same line as it was known, else the one
            before it; None where the project is new.
        differences: what makes that one into this one.
        old: the interface of ``before``.
        new: its own.
        notes: what else was done, a sentence each.
    """

    release: Release
    files: int
    before: Release | None
    differences: list[Difference]
    old: Structure
    new: Structure
    notes: list[str]


def sync(
    name: str,
    source: SchemaSource,
    vendor: Path,
    *,
    tag: str = "",
    commit: str = "",
    origin: str = "",
    program: bool = False,
) -> Synced:
    """Vendor a line from a source, all or nothing.

    In a folder that has ``docs``, comments are the words in there; elsewhere they are the source's.

    Args:
        name: ``PROJECT@LINE``.
        source: what has the interface.
        vendor: the folder to write to.
        tag: upstream's; found out where it is not given.
        commit: the same.
        origin: what the record says that the line was taken from.
        program: whether the source is a program, which carries its libraries' files too: only the
            packages of the project are taken, and what they need.

    Raises:
        CompileError, ImportNotFound, SourceNotFound: as the source raises them.
        SchemaError: the name is none, or the source has nothing of the project.
        OSError: the folder cannot be written.
    """
    project, line = split_name(name)
    before = line_before(project, line)
    old = _structure(before) if before is not None else {}
    schema = schema_from(source)
    notes = _notes(source)
    if program:
        schema, left = _of_project(schema, before)
        notes += left
    words = read_words(vendor)
    release = _release(project, line, source, before, Provenance(tag, commit), notes)
    # What is published names no path of the machine that it was made on.
    if words is None and not isinstance(source, VendoredSource):
        release = release._replace(source=origin)
    said = None
    if words is not None:
        said = described(schema, words, _history(vendor, release, schema))
    files = texts(schema, release, words=said)
    recorded = write_line(vendor, release, files, interface=digest(schema))
    new = structure_of(schema)
    return Synced(recorded, len(files), before, differences(old, new), old, new, notes)


def tree_source(name: str, folder: Path, roots: Sequence[Path]) -> Checkout:
    """An upstream tree as the source of a line.

    Raises:
        SchemaError: the tree has no ``.proto`` file, or a root is no folder.
    """
    before = line_before(*split_name(name))
    known = list(schema_from(VendoredSource(before)).files()) if before is not None else []
    return Checkout(folder, roots, known=(name for name in known if not is_engine(name)))


def split_name(name: str) -> tuple[str, str]:
    """The project and the line of ``containerd@2.5``, or of ``containerd@v2.5``.

    Raises:
        SchemaError: it is no such name.
    """
    project, _, line = name.partition("@")
    line = line.removeprefix("v") if line[1:2].isdigit() else line
    check_line(project, line)
    return project, line


def line_before(project: str, line: str) -> Release | None:
    """The line of this name, else the last one before it, else the first behind it."""
    lines = [release for release in releases() if release.project == project]
    same = [release for release in lines if release.line == line]
    older = [release for release in lines if line_key(release.line) < line_key(line)]
    return next(iter([*same, *reversed(older), *lines]), None)


def _notes(source: SchemaSource) -> list[str]:
    if not isinstance(source, Checkout):
        return []
    outside = source.left_out
    if not outside:
        return list(source.notes)
    some = ", ".join(outside[:_SHOWN]) + (" ..." if outside[_SHOWN:] else "")
    return [*source.notes, f"left out, for no import leads there: {some}"]


def _of_project(schema: Schema, before: Release | None) -> tuple[Schema, list[str]]:
    """What of a program's files is the project's, and what is said of the others."""
    files = schema.files()
    known = schema_from(VendoredSource(before)).files() if before is not None else {}
    try:
        kept = of_project(files, {read_package(data) for data in known.values()})
    except SchemaError as exc:
        raise SchemaError(f"{schema.name}: {exc}") from None
    left = {
        read_package(data).partition(".")[0] or name
        for name, data in files.items()
        if name not in kept and not is_engine(name)
    }
    if not left:
        return schema, []
    smaller = schema_from(DescriptorSetSource(list(kept.values()), schema.name))
    return smaller, [f"left out, as other projects' packages: {', '.join(sorted(left))}"]


def _release(
    project: str,
    line: str,
    source: SchemaSource,
    before: Release | None,
    given: Provenance,
    notes: list[str],
) -> Release:
    if isinstance(source, VendoredSource) and source.release.name == f"{project}@{line}":
        return source.release._replace(
            tag=given.tag or source.release.tag, commit=given.commit or source.release.commit
        )
    found = Provenance()
    together = before.companions if before is not None else ()
    if isinstance(source, Checkout):
        found = provenance(Path(source.name))
        together = tuple(companions(Path(source.name), together))
        if found.note:
            notes.append(f"the tree is commit {found.commit[:12]} {found.note}")
    # A tag that is given is not that of the commit that happens to be checked out.
    commit = given.commit or ("" if given.tag and given.tag != found.tag else found.commit)
    return Release(
        project=project,
        line=line,
        tag=given.tag or found.tag,
        commit=commit,
        repository=found.repository or (before.repository if before is not None else ""),
        digest="",
        companions=together,
        root=Path(),
        origin="",
        notes=found.note,
    )


def _structure(release: Release) -> Structure:
    return structure_of(schema_from(VendoredSource(release)))


def _history(vendor: Path, release: Release, schema: Schema) -> History:
    """The lines of the folder's own project, with this one as it is about to be."""
    lines = {
        one.line: one
        for one in read_folder(vendor, origin=str(vendor))
        if one.project == release.project
    }
    lines[release.line] = release
    ordered = sorted(lines.values(), key=lambda one: (line_key(one.line), one.line))
    return History(
        {one: structure_of(schema) if one is release else _structure(one) for one in ordered}
    )
