"""An upstream tree as a source: its files by the names they have in imports, and all they need."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import CompileError, CompileProblem, SchemaError
from toolkit.schema.compile import ImportNotFound, compile_protos
from toolkit.schema.files import split_set
from toolkit.schema.protofiles import engine_root, files_below, find_file, is_engine, nearest_files
from toolkit.schema.releases import newest_first
from toolkit.schema.tree import check_name
from toolkit.schema.vendoring.layout import find_layout, is_third_party

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.protofiles import ProtoFile
    from toolkit.schema.vendoring.layout import Layout

__all__ = ["Checkout"]

# What nearly everybody imports and few have beside them: taken from a release that has it, as is
# all that is clearly not of the tree's own project.
_COMMON = ("gogoproto/", "google/rpc/")
_API_MODULE = re.compile(r"^github\.com/containerd/containerd/api(?=/)")
_CLIMBS = "an import may not climb with .."


class _File(NamedTuple):
    """One file of a line: what it is imported as, and where the user has it."""

    name: str
    path: Path
    data: bytes
    imports: list[str]


class Checkout:
    """An upstream checkout or source tree, in any of the layouts that upstream has used.

    Attributes:
        name: the folder.
        layout: how its files are called.
        left_out: its ``.proto`` files that no import can lead to.
        notes: what was done that a person may want to know, a sentence each.
    """

    def __init__(
        self, folder: Path, roots: Sequence[Path] = (), *, known: Iterable[str] = ()
    ) -> None:
        """Look through a tree.

        Args:
            folder: the tree.
            roots: where the files that it imports of others are.
            known: what files of the project are called in another line.

        Raises:
            SchemaError: it has no ``.proto`` file, or one cannot be read.
        """
        for place in (folder, *roots):
            if not place.is_dir():
                raise SchemaError(f"{place} is no folder")
        self.name = str(folder)
        self._folder = folder
        self._roots = list(roots)
        found = [name for name in files_below(folder) if not is_third_party(name)]
        if not found:
            hint = "; `--from` may be a folder further in, or the tree of a module that it requires"
            raise SchemaError(f"{folder} has no .proto file of its own in it{hint}")
        tree = {name: _read(folder, name) for name in found}
        imports = {name: file.imports() for name, file in tree.items()}
        self.layout: Layout = find_layout(imports, known)
        self.notes: list[str] = []
        self.left_out = [path for path in tree if self._name(path) is None]
        self._own: dict[str, _File] = {}
        for path, file in tree.items():
            name = self._name(path)
            if name is not None and not is_engine(name):
                self._take(_File(name, file.path, file.data, imports[path]))

    def _take(self, file: _File) -> None:
        """Add one of the tree's own files."""
        other = self._own.setdefault(file.name, file)
        if other.data != file.data:
            raise SchemaError(
                f"{other.path} and {file.path} differ, and both would be imported as {file.name}: "
                "give a folder that has only one of them"
            )

    def _name(self, path: str) -> str | None:
        usual = _usual(path)  # a tree may hold a copy of what everybody imports
        return usual if usual.startswith(_COMMON) else self.layout.name(path)

    def files(self) -> list[bytes]:
        """The compiled files, imports first, with their comments.

        Raises:
            ImportNotFound: an import is neither in the tree nor in a root.
            CompileError: a file has errors; with their places in the tree.
        """
        sources = self._closure()
        with tempfile.TemporaryDirectory(prefix="ttrpc-toolkit-") as stage:
            for name, file in sources.items():
                path = Path(stage, check_name(name))
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(file.data)
                except (FileExistsError, NotADirectoryError, IsADirectoryError) as exc:
                    raise SchemaError(f"{name} is imported both as a file and as a folder") from exc
            try:
                return split_set(compile_protos(sorted(sources), [Path(stage)]))
            except CompileError as exc:
                raise CompileError(_in_place(exc.problems, Path(stage), sources)) from None

    def _closure(self) -> Mapping[str, _File]:
        """All files by import name, own ones first."""
        sources = dict(self._own)
        missing: list[tuple[_File, str]] = []
        waiting = list(sources.items())
        for name, file in waiting:  # grows as files are found
            renamed: dict[str, str] = {}
            for wanted in file.imports:
                if ".." in wanted.split("/"):
                    raise CompileError(
                        [CompileProblem(str(file.path), *_place(file, wanted), _CLIMBS)]
                    )
                found = self._named(wanted, sources)
                if found is None:
                    missing.append((file, wanted))
                    continue
                if found.name != wanted:
                    renamed[wanted] = found.name
                if found.name not in sources and not is_engine(found.name):
                    sources[found.name] = found
                    waiting.append((found.name, found))
            if renamed:
                sources[name] = file._replace(data=_with_imports(file.data, renamed))
        if missing:
            raise self._not_found(missing)
        return sources

    def _named(self, name: str, sources: Mapping[str, _File]) -> _File | None:
        """The file that an import leads to, perhaps under its usual name."""
        if name in sources:
            return sources[name]
        if is_engine(name):
            return _found(name, name, [engine_root()])
        usual = _usual(name)
        if usual in sources:
            return sources[usual]
        for one in (usual, name):
            found = _found(usual, one, self._roots)
            if found is not None:
                return found
        # A file of the tree's own that is missing must not come from another line of the project.
        foreign = bool(self.layout.prefix) and not name.startswith(self.layout.prefix)
        return self._from_a_release(usual) if foreign or usual.startswith(_COMMON) else None

    def _from_a_release(self, name: str) -> _File | None:
        for release in newest_first():
            found = _found(name, name, [release.root])
            if found is not None:
                self.notes.append(f"{name} is the copy of {release.name}")
                return found
        return None

    def _not_found(self, missing: Sequence[tuple[_File, str]]) -> ImportNotFound:
        roots = [self._folder, *self._roots]
        first = missing[0][1]
        near = nearest_files(first, roots)
        places = " or ".join(map(str, self._roots))
        own = self.layout.file(first)
        looked = (
            f"it would be {self._folder / own}" if own is not None and self._is_own(first) else ""
        )
        looked = looked or (f"{places} has none" if places else "it is none of the tree's own")
        problems = [
            CompileProblem(str(file.path), *_place(file, name), f'import "{name}" is not there')
            for file, name in missing
        ]
        hint = f"{looked}; -I DIR names the folder that imports of other projects begin in"
        module = _API_MODULE.search(first)
        if module is not None and not self._is_own(first):
            hint += f" (Go's module {module[0]} has it, as a tree of its own)"
        problems[0] = problems[0]._replace(message=f"{problems[0].message}: {hint}")
        return ImportNotFound(
            problems, name=first, searched=[str(root) for root in roots], nearest=near
        )

    def _is_own(self, name: str) -> bool:
        """Whether the tree has the folder that an import is of."""
        folder = name.rpartition("/")[0]
        return any(own.rpartition("/")[0] == folder for own in self._own)


def _found(name: str, wanted: str, roots: Sequence[Path]) -> _File | None:
    """The file that is called ``wanted`` under one of the roots, to be called ``name``."""
    file = find_file(wanted, roots)
    return None if file is None else _File(name, file.path, file.data, file.imports())


def _read(folder: Path, name: str) -> ProtoFile:
    found = find_file(name, [folder])
    if found is None:
        raise SchemaError(f"{folder / name} went away while it was read")
    return found


def _usual(name: str) -> str:
    """An import of a common file by the name that most import it by.

    ``github.com/gogo/protobuf/gogoproto/gogo.proto`` is ``gogoproto/gogo.proto``: under two names
    in one schema, all that is in it would be declared twice.
    """
    for start in _COMMON:
        before, found, rest = name.partition(f"/{start}")
        if found and before:
            return start + rest
    return name


def _with_imports(data: bytes, renamed: Mapping[str, str]) -> bytes:
    for old, new in renamed.items():
        pattern = rb"""(\bimport\s+(?:(?:public|weak)\s+)?)["']%s["']""" % re.escape(old.encode())
        data = re.sub(pattern, rb'\g<1>"%s"' % new.encode(), data)  # a usual name has no backslash
    return data


def _place(file: _File, name: str) -> tuple[int, int]:
    """Line and column of an import, from 1."""
    found = re.search(rb"""import[^;]*?["']%s["']""" % re.escape(name.encode()), file.data)
    if found is None:
        return 0, 0
    before = file.data[: found.start()]
    return before.count(b"\n") + 1, len(before) - before.rfind(b"\n")


def _in_place(
    problems: Sequence[CompileProblem], stage: Path, sources: Mapping[str, _File]
) -> list[CompileProblem]:
    """The problems with the places where the user has the files."""
    paths = {str(stage / name): file.path for name, file in sources.items()}
    return [one._replace(file=str(paths.get(one.file, one.file))) for one in problems]
