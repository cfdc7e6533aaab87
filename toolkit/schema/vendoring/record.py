"""``vendor.toml``: the record of what a folder vendors, written in the one layout we write."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from toolkit.schema.releases import RECORD, Release, line_key, read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["with_release", "without_release"]

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)  # TOML's keys that need no quotes

_INTRODUCTION = """\
# What is vendored in this folder, line by line. `ttrpc vendor verify` recompiles each line and
# holds it against `digest`, and each file against the SHA256SUMS of its line.
#
# root        the folder that the line's imports start from
# digest      SHA-256 of the interface in canonical form, without the engine's google/protobuf files
# companions  releases whose messages travel inside this line's google.protobuf.Any fields
# source      what `ttrpc vendor sync` took the line from
"""


def with_release(vendor: Path, release: Release) -> tuple[Path, str]:
    """Where the record is, and its text once it has this release.

    Raises:
        SchemaError: the record that is there is broken.
    """
    return _record(vendor, [*_others(vendor, release), release])


def without_release(vendor: Path, release: Release) -> tuple[Path, str]:
    """Where the record is, and its text without this release.

    Raises:
        SchemaError: the record that is there is broken.
    """
    return _record(vendor, _others(vendor, release))


def _others(vendor: Path, release: Release) -> list[Release]:
    known = read_folder(vendor, origin=str(vendor))
    return [one for one in known if (one.project, one.line) != (release.project, release.line)]


def _record(vendor: Path, lines: Iterable[Release]) -> tuple[Path, str]:
    ordered = sorted(lines, key=lambda one: (one.project, line_key(one.line), one.line))
    tables = ("\n".join(_table(vendor, one)) for one in ordered)
    return vendor / RECORD, "\n\n".join([_INTRODUCTION.rstrip("\n"), *tables]) + "\n"


def _table(vendor: Path, release: Release) -> Iterator[str]:
    project = release.project if _BARE.fullmatch(release.project) else _text(release.project)
    yield f"[{project}.{_text(release.line)}]"
    for key in ("repository", "tag", "commit"):
        yield f"{key} = {_text(getattr(release, key))}"
    yield f"root = {_text(_root(vendor, release))}"
    yield f"digest = {_text(release.digest)}"
    yield f"companions = [{', '.join(map(_text, release.companions))}]"
    if release.source:
        yield f"source = {_text(release.source)}"
    if release.notes:
        yield f"notes = {_text(release.notes)}"


def _root(vendor: Path, release: Release) -> str:
    if release.root.is_relative_to(vendor):
        return release.root.relative_to(vendor).as_posix()
    return str(release.root)


def _text(text: str) -> str:
    # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
