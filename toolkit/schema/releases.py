"""What is vendored: the releases of every folder on the search path, and finding one by name.

This is on the way of every ``ttrpc call``, so it reads ``vendor.toml`` without ``tomllib`` (7 ms)
as long as the file is as plain as we write it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.errors import ReleaseNotFound, SchemaError
from toolkit.resources import data_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "RECORD",
    "Release",
    "find_release",
    "line_key",
    "newest_first",
    "read_folder",
    "record_stamp",
    "recorded",
    "releases",
    "search_path",
    "user_folder",
]

RECORD = "vendor.toml"

_HEAD = re.compile(r'\[([\w-]+)\.(?:"([^"\\]+)"|([\w-]+))\]', re.ASCII)
_PAIR = re.compile(r'(\w+) = (?:"([^"\\]*)"|\[((?:"[^"\\]*"(?:, )?)*)\])', re.ASCII)
_ITEM = re.compile(r'"([^"]*)"')

_NEWEST = float("inf")


class Release(NamedTuple):
    """One vendored line of a project.

    Attributes:
        project: ``containerd``.
        line: ``2.3``.
        tag: the upstream tag that was vendored, ``v2.3.4``.
        commit: its commit; empty where upstream's module is all that is known.
        repository: where upstream is.
        digest: of the whole interface, as ``compare`` makes it.
        companions: the releases whose messages travel inside this one's ``Any`` fields.
        root: the folder that its imports start from.
        origin: ``package``, or the folder of the search path that it comes from.
        notes: what is unusual about it; may be empty.
        source: what ``vendor sync`` took it from, such as a binary; empty for the package's lines.
    """

    project: str
    line: str
    tag: str
    commit: str
    repository: str
    digest: str
    companions: tuple[str, ...]
    root: Path
    origin: str
    notes: str = ""
    source: str = ""

    @property
    def name(self) -> str:
        """What it is called everywhere: ``containerd@2.3``."""
        return f"{self.project}@{self.line}"


def search_path() -> list[Path]:
    """The folders of releases: ``TTRPC_VENDOR``, the user's own, then the package's."""
    named = os.environ.get("TTRPC_VENDOR", "")
    folders = [Path(part) for part in named.split(os.pathsep) if part]
    own = user_folder()
    return [*folders, *([own] if own is not None else []), data_dir("vendor")]


def user_folder() -> Path | None:
    """Where a user's own lines are kept; None for a process that has no home."""
    data_home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    if not data_home.startswith("/"):
        home = os.path.expanduser("~")  # noqa: PTH111  # Path.home() raises without a home
        data_home = f"{home}/.local/share"
    folder = Path(data_home, "ttrpc-toolkit", "vendor")
    return folder if folder.is_absolute() else None


def releases() -> list[Release]:
    """Every release: containerd first, then by project; lines in order, ``main`` last.

    Of two with the same name, the one that comes earlier on the search path counts.

    Raises:
        SchemaError: a ``vendor.toml`` cannot be read, or is not what it should be.
    """
    found: dict[str, Release] = {}
    *others, package = search_path()
    for folder in others:
        # Nobody named the user's folder: with another user's HOME it is there, but not for us.
        if folder == user_folder() and not os.access(folder, os.R_OK | os.X_OK):
            continue
        for release in read_folder(folder, origin=str(folder)):
            found.setdefault(release.name, release)
    for release in read_folder(package, origin="package"):
        found.setdefault(release.name, release)
    return sorted(found.values(), key=_order)


def newest_first() -> list[Release]:
    """All releases: containerd's first, the newest line of each project first, ``main`` last."""
    projects: dict[str, list[Release]] = {}
    for release in releases():
        projects.setdefault(release.project, []).insert(0, release)
    for lines in projects.values():
        # The sort is stable: the others keep their order.
        lines.sort(key=lambda release: release.line == "main")
    return [release for lines in projects.values() for release in lines]


def find_release(name: str) -> Release:
    """The release that a name stands for.

    A project alone is its newest line (``main`` only where there is nothing else); ``@2.3``,
    ``@v2.3`` and ``@2.3.7`` are line 2.3.

    Raises:
        ReleaseNotFound: there is none; with the nearest names.
        SchemaError: as for ``releases``.
    """
    known = releases()
    project, _, line = name.partition("@")
    lines = [release for release in known if release.project == project]
    if not lines or (not line and "@" in name):
        raise _not_found(name, known)
    if not line:
        numbered = [release for release in lines if release.line != "main"]
        return (numbered or lines)[-1]
    wanted = line.removeprefix("v") if line[1:2].isdigit() else line
    for release in sorted(lines, key=lambda release: len(release.line), reverse=True):
        rest = wanted.removeprefix(release.line)
        if wanted == release.line or (rest != wanted and rest[0] in ".-+"):
            return release
    raise _not_found(name, lines)


def read_folder(folder: Path, *, origin: str) -> list[Release]:
    """The releases that one folder records; none where it has no ``vendor.toml``.

    Raises:
        SchemaError: the file is there, but broken or unreadable.
    """
    path = folder / RECORD
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as exc:
        raise SchemaError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise SchemaError(f"{path} is not UTF-8: {exc.reason}") from exc
    tables = _read_plain(text)
    if tables is None:
        tables = _read_toml(path, text)
    return list(_entries(path, tables, origin))


def recorded(release: Release) -> Release | None:
    """What the folder that a release comes from records under its name by now.

    Raises:
        SchemaError: as for ``read_folder``.
    """
    known = read_folder(_home(release), origin=release.origin)
    return next((one for one in known if one.name == release.name), None)


def record_stamp(release: Release) -> tuple[int, int]:
    """Changes whenever the record is written that a release comes from."""
    try:
        status = os.stat(_home(release) / RECORD)  # noqa: PTH116  # on the way of every load
    except OSError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def _home(release: Release) -> Path:
    return data_dir("vendor") if release.origin == "package" else Path(release.origin)


def line_key(line: str) -> tuple[float, ...]:
    """Sorts lines as versions: 1.10 after 1.9, 3.0 after 3.0.2 (it is 3.0's latest), main last."""
    numbers = [float(part) for part in re.findall(r"\d+", line)]
    return (*numbers, _NEWEST)


def _order(release: Release) -> tuple[bool, str, tuple[float, ...], str]:
    first = release.project != "containerd"
    return (first, release.project, line_key(release.line), release.line)


def _not_found(name: str, known: list[Release]) -> ReleaseNotFound:
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    names = [release.name for release in known]
    line = name.rpartition(":")[2].removeprefix("v")
    # A line alone is containerd's most likely, and images have accustomed people to a colon.
    meant = [name.replace(":", "@"), f"containerd@{line}"]
    near = dict.fromkeys([*(one for one in meant if one in names), *nearest(name, names)])
    return ReleaseNotFound(
        name, nearest=list(near)[:3], searched=[str(folder) for folder in search_path()]
    )


def _read_plain(text: str) -> dict[str, Any] | None:
    """The tables of a file in our own layout; None when anything in it is not of that layout."""
    tables: dict[str, Any] = {}
    table: dict[str, Any] | None = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        head = _HEAD.fullmatch(line)
        if head is not None:
            table = {}
            key = head[2] or head[3]
            if tables.setdefault(head[1], {}).setdefault(key, table) is not table:
                return None
            continue
        pair = _PAIR.fullmatch(line)
        if pair is None or table is None or pair[1] in table:
            return None
        table[pair[1]] = pair[2] if pair[3] is None else _ITEM.findall(pair[3])
    return tables


def _read_toml(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # 7 ms that a file in our own layout does without

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise SchemaError(f"{path} is not TOML: {exc}") from exc


def _entries(path: Path, tables: dict[str, Any], origin: str) -> Iterator[Release]:
    for project, lines in tables.items():
        for line, table in _table(path, project, lines).items():
            where = f'[{project}."{line}"]'
            yield _release(path, project, line, _table(path, where, table), origin)


def _table(path: Path, where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SchemaError(f"{path}: {where} is {value!r}; wanted a table for each project and line")
    return value


def _release(path: Path, project: str, line: str, table: dict[str, Any], origin: str) -> Release:
    where = f'{path}: [{project}."{line}"]'

    def text(key: str, default: str = "") -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            raise SchemaError(f"{where} has {key} = {value!r}; wanted text")
        return value

    companions = table.get("companions", [])
    if not isinstance(companions, list) or not all(isinstance(one, str) for one in companions):
        raise SchemaError(f"{where} has companions = {companions!r}; wanted a list of names")
    return Release(
        project=project,
        line=line,
        tag=text("tag"),
        commit=text("commit"),
        repository=text("repository"),
        digest=text("digest"),
        companions=tuple(companions),
        root=path.parent / text("root", f"{project}/{line}"),
        origin=origin,
        notes=text("notes"),
        source=text("source"),
    )
