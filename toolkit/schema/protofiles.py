"""``.proto`` files on disk: their names under import roots, and what they import."""

from __future__ import annotations

import os
import re
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "ProtoFile",
    "closure",
    "common_tail",
    "engine_root",
    "files_below",
    "find_file",
    "infer_root",
    "is_engine",
    "nearest_files",
]

READ_SIZE = 1 << 18  # more than nearly any .proto file
# How far a hint looks around: a miss may start in a home directory, or in /tmp.
MAX_BESIDE_LOOKED_AT = 200  # folders
MAX_DEPTH_LOOKED_AT = 12  # folders below a root; Java's packages go about as deep
MAX_ENTRIES_LOOKED_AT = 20_000  # 50 ms
MAX_FILES_LOOKED_AT = 5000

# What is no statement goes first, so that no word in it counts as one.
_SKIPPED = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_STATEMENT = r"""import\s+(?:(?:public|weak|option)\s+)?(?P<name>"[^"\n]*"|'[^'\n]*')"""
# Text, compiled by ``re`` when first used: a schema that is in the cache needs none of them.
_IMPORT = rf"(?s:{_SKIPPED}|\b{_STATEMENT})"
_LIKE_IMPORT = _STATEMENT  # a literal first, so that finding it takes no time
_BRACKET = rf"(?s:{_SKIPPED}|(?P<bracket>[{{}}<>]))"


class ProtoFile(NamedTuple):
    """One ``.proto`` file: where it is and what it says."""

    name: str  # as others import it
    root: Path
    data: bytes

    @property
    def path(self) -> Path:
        """Where it is, in the words of its root."""
        return self.root / self.name

    @property
    def nesting(self) -> int:
        """How deep its brackets go, at least where that is deep."""
        text = self._text
        if text.count("{") + text.count("<") < MAX_PLAIN_BRACKETS:
            return 0
        return max(_depths(text), default=0)

    def imports(self) -> list[str]:
        """The names that it imports."""
        text = self._text
        if "/*" in text:
            found = (match["name"] for match in re.finditer(_IMPORT, text))
        else:
            matches = re.finditer(_LIKE_IMPORT, text)
            found = (match["name"] for match in matches if _begins_statement(text, match.start()))
        return [name[1:-1] for name in found if name is not None]

    @property
    def _text(self) -> str:
        return self.data.decode("utf-8", "replace")


MAX_PLAIN_BRACKETS = 200  # fewer than this cannot nest deeper than this


def _begins_statement(text: str, start: int) -> bool:
    """Whether nothing, or the end of another statement, precedes on the line."""
    before = text[text.rfind("\n", 0, start) + 1 : start].strip("\ufeff \t\r")
    return not before or (before.endswith(";") and "//" not in before)


def _depths(text: str) -> Iterator[int]:
    depth = 0
    for match in re.finditer(_BRACKET, text):
        if match["bracket"] is not None:
            depth += 1 if match["bracket"] in "{<" else -1
            yield depth


def engine_root() -> Path:
    """The folder of the ``google/protobuf`` files that come with the compiler."""
    from importlib.machinery import PathFinder  # finds it without running the package

    spec = PathFinder.find_spec("grpc_tools")
    if spec is None or not spec.submodule_search_locations:
        raise SchemaError("compiling .proto files takes grpcio-tools, which is not installed")
    return Path(spec.submodule_search_locations[0]) / "_proto"


def is_engine(name: str) -> bool:
    """Whether a file of this name comes with the compiler."""
    return name.startswith("google/protobuf/") and (engine_root() / name).is_file()


def closure(names: Iterable[str], roots: Sequence[Path]) -> tuple[dict[str, ProtoFile], list[str]]:
    """The named files and all that they import, by name; and the names that no root has."""
    files: dict[str, ProtoFile] = {}
    missing: dict[str, None] = {}
    waiting = list(names)
    for name in waiting:  # grows as files are read
        if name not in files and name not in missing:
            file = find_file(name, roots)
            if file is None:
                missing[name] = None
            else:
                files[name] = file
                waiting += file.imports()
    return files, list(missing)


def find_file(name: str, roots: Sequence[Path]) -> ProtoFile | None:
    """The file of this name below the first root that has it."""
    for root in roots:
        path = f"{root}/{name}"
        try:
            return ProtoFile(name, root, _read(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, ValueError):
            continue
        except OSError as exc:
            raise SchemaError(f"cannot read {path}: {exc.strerror}") from exc
    return None


def _read(path: str) -> bytes:
    # By hand in a third of open()'s time: a release has 45 files, and is read at every load.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(descriptor, READ_SIZE):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def files_below(folder: Path) -> list[str]:
    """The names of all ``.proto`` files below a folder, sorted."""
    found: list[str] = []
    waiting = [""]
    for inner in waiting:  # grows as folders are found
        try:
            entries = os.scandir(f"{folder}/{inner}")
        except OSError:
            continue
        with entries:
            for entry in entries:
                if entry.name.endswith(".proto") and _is_file(entry):
                    found.append(inner + entry.name)
                elif _is_folder(entry):
                    waiting.append(f"{inner}{entry.name}/")
    return sorted(found)


def infer_root(paths: Sequence[Path], folder: Path) -> Path:
    """The nearest of ``folder`` and its parents under which all imports of the files resolve.

    When there is none, ``folder`` itself: its errors are the plainest.
    """
    engine = engine_root()
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow links
    for up, candidate in enumerate((absolute, *absolute.parents)):
        names = [os.path.relpath(path, candidate) for path in paths]
        _, missing = closure(names, [candidate, engine])
        if not missing:
            # In the user's words, so that errors are too.
            return folder if up == 0 else candidate
    return folder


def nearest_files(name: str, roots: Sequence[Path], *, importer: str = "") -> list[str]:
    """The files that come closest to a name that none of the roots has.

    Below the roots that is the same file name or a like one; in the folders beside them only the
    very name, which then lacks a root.
    """
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    below = _known(roots)
    below.pop(importer, None)
    tail = name.rpartition("/")[2]
    same = [file for file in below if file.rpartition("/")[2] == tail]
    same.sort(key=lambda file: -common_tail(file, name))
    found = [below[file] for file in same] or _beside(name, roots)
    return (found or [below[file] for file in nearest(name, below)])[:3]


def _known(roots: Iterable[Path]) -> dict[str, str]:
    known: dict[str, str] = {}
    for root in dict.fromkeys(roots):
        for file in islice(_walk(root), MAX_FILES_LOOKED_AT):
            known.setdefault(file, str(root / file))
    return known


def _walk(folder: Path) -> Iterator[str]:
    """The ``.proto`` files below a folder, nearest first, as far as a hint is worth looking."""
    left = MAX_ENTRIES_LOOKED_AT
    waiting = [""]
    for inner in waiting:  # grows as folders are found
        for entry in _entries(f"{folder}/{inner}", left):
            left -= 1
            if entry.name.endswith(".proto") and _is_file(entry):
                yield inner + entry.name
            elif inner.count("/") < MAX_DEPTH_LOOKED_AT and _is_folder(entry):
                waiting.append(f"{inner}{entry.name}/")
        if left <= 0:
            return


def _beside(name: str, roots: Sequence[Path]) -> list[str]:
    """The file of this very name in the folders above the roots, or next to the roots."""
    found: dict[str, None] = {}
    for root in dict.fromkeys(roots):
        above = root.parent
        folders = ["", *(f"{one.name}/" for one in _entries(str(above), MAX_BESIDE_LOOKED_AT))]
        for folder in folders:
            path = above / f"{folder}{name}"
            if folder != f"{root.name}/" and os.path.isfile(path):  # noqa: PTH113  # never raises
                found[str(path)] = None
    return list(found)


def _entries(folder: str, limit: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, max(limit, 0)))
    except OSError:
        return []


# What a link leads to may be refused to this user: in /proc, or on another's mount.
def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def common_tail(left: str, right: str) -> int:
    """How many folders and the file name two paths have in common, from behind."""
    pairs = zip(reversed(left.split("/")), reversed(right.split("/")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
