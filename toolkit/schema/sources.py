"""Where the files of a schema come from: a release, ``.proto`` files, a descriptor set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from toolkit.errors import SchemaError, SourceNotFound
from toolkit.schema.compiled import compiled
from toolkit.schema.files import join_set
from toolkit.schema.hashing import sha256
from toolkit.schema.protofiles import files_below, find_file, infer_root
from toolkit.schema.releases import record_stamp, recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from toolkit.schema.releases import Release

__all__ = [
    "Content",
    "DescriptorSetSource",
    "ProtoSource",
    "SchemaSource",
    "VendoredSource",
    "content_of",
    "is_folder",
]


_NO_SCHEMA = "neither .proto text nor a descriptor set: "


class SchemaSource(Protocol):
    """Gives the files of one schema."""

    @property
    def name(self) -> str:
        """What the schema is called in errors."""

    def files(self) -> list[bytes]:
        """Serialized ``FileDescriptorProto``s, imports included, in any order."""


class Content(NamedTuple):
    """What a source holds at this moment."""

    files: list[bytes]
    digest: bytes  # equal content, comments included, has the same
    source_info: Callable[[], Mapping[str, bytes]] | None  # where the files come without


def content_of(source: SchemaSource) -> Content:
    """What any source holds; one that has a ``read`` knows its digest and its comments better."""
    read: Callable[[], Content] | None = getattr(source, "read", None)
    if read is not None:
        return read()
    files = source.files()
    return Content(files, sha256(join_set(files)).digest(), None)


class VendoredSource:
    """A vendored release."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.name = release.name

    def read(self) -> Content:
        """The release's files, compiled or from the cache.

        A line may be replaced while it is read; then what it is by now is read.
        """
        while True:
            before = record_stamp(self.release)
            try:
                content = self._read()
            except SchemaError:
                if not self._renewed():
                    raise
            else:
                if record_stamp(self.release) == before or not self._renewed():
                    return content

    def _read(self) -> Content:
        root = self.release.root
        names = files_below(root)
        if not names:
            raise SourceNotFound(str(root))
        return Content(*compiled(names, [root]))

    def _renewed(self) -> bool:
        """Whether the record has another line of this name by now; it is taken."""
        known = recorded(self.release)
        if known is None or known == self.release:
            return False
        self.release = known
        return True

    def files(self) -> list[bytes]:
        """The release's files."""
        return self.read().files


class ProtoSource:
    """``.proto`` files and directories of them, compiled with import roots.

    Without roots they are inferred: the folder of a file, or the nearest one above it under which
    all its imports are found.
    """

    def __init__(self, paths: Iterable[Path], roots: Iterable[Path] = ()) -> None:
        self._paths = list(paths)
        self._roots = list(roots)
        self.name = ", ".join(str(path) for path in self._paths)

    def read(self) -> Content:
        """The files, compiled or from the cache.

        Raises:
            SourceNotFound: a path, a root or an import is not there.
            CompileError: the files have errors.
        """
        for root in self._roots:
            if not root.is_dir():
                raise _no_path(root)
        roots = list(self._roots)
        names: dict[str, None] = {}
        for path in self._paths:
            for file, root in _located(path, self._roots):
                if root not in roots:
                    roots.append(root)
                name = os.path.relpath(file, root)
                _refuse_hidden(file, name, roots)
                names[name] = None
        return Content(*compiled(list(names), roots))

    def files(self) -> list[bytes]:
        """The compiled files."""
        return self.read().files


class DescriptorSetSource:
    """A ``FileDescriptorSet`` in a file, as binary, text or JSON; or the files' own bytes."""

    def __init__(self, origin: Path | Sequence[bytes], name: str = "") -> None:
        self._origin = origin
        self.name = name or (str(origin) if isinstance(origin, Path) else "a descriptor set")

    def files(self) -> list[bytes]:
        """The files of the set.

        Raises:
            SourceNotFound: the file is not there.
            SchemaError: it is no descriptor set.
        """
        if not isinstance(self._origin, Path):
            return list(self._origin)
        from toolkit.schema.setfile import SUFFIXES, read_set

        try:
            data = self._origin.read_bytes()
        except FileNotFoundError:
            raise _no_path(self._origin) from None
        except OSError as exc:
            raise SchemaError(f"cannot read {self._origin}: {exc.strerror}") from exc
        try:
            return read_set(data, self._origin.suffix)
        except SchemaError as exc:
            what = "" if self._origin.suffix in SUFFIXES else _NO_SCHEMA
            raise SchemaError(f"{self._origin}: {what}{exc}") from exc.__cause__


def _located(path: Path, roots: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The ``.proto`` files that a path stands for, each with its import root."""
    if is_folder(path):
        files = [path / name for name in files_below(path)]
        if not files:
            raise _no_files(path)
        folder = path
    elif os.path.isfile(path):  # noqa: PTH113  # Path raises where is_folder has raised already
        files, folder = [path], path.parent
    else:
        raise _no_path(path)
    root = next((root for root in roots if _holds(root, path)), None)
    if root is None:
        root = infer_root(files, folder)
    return [(file, root) for file in files]


def _holds(root: Path, path: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(root))  # noqa: PTH100


def _refuse_hidden(path: Path, name: str, roots: Sequence[Path]) -> None:
    found = find_file(name, roots)
    if found is not None and not os.path.samefile(found.path, path):  # noqa: PTH121
        raise SchemaError(
            f"{path} is imported as {name}, which is {found.path} by the order of the import roots"
        )


def is_folder(path: Path) -> bool:
    """Whether it is a folder.

    Raises:
        SchemaError: this user may not know.
    """
    try:
        return path.is_dir()
    except OSError as exc:
        raise SchemaError(f"cannot read {path}: {exc.strerror}") from exc


def _no_files(folder: Path) -> SchemaError:
    try:
        os.scandir(folder).close()
    except OSError as exc:
        return SchemaError(f"cannot read {folder}: {exc.strerror}")
    return SchemaError(f"{folder} has no .proto file in it")


def _no_path(path: Path) -> SourceNotFound:
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    folder = path.parent
    try:
        beside = [entry.name for entry in folder.iterdir()]
    except OSError:
        return SourceNotFound(str(path))
    return SourceNotFound(
        str(path), nearest=[str(folder / name) for name in nearest(path.name, beside)]
    )
