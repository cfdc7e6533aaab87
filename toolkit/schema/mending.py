"""Files from where nobody saw to it that they fit together, made into a set that links.

A binary or a server holds files under the names that its own build gave them, each once or several
times, and not all that they import. What can be put right is; what cannot is left out, and said.
"""

from __future__ import annotations

from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pool import DescriptorPool

from toolkit.schema.files import File, read_file, read_package
from toolkit.schema.linking import reason
from toolkit.schema.wellknown import runtime_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Mended", "mend"]

_ENGINE = "google.protobuf"


class Mended(NamedTuple):
    """A set of files that links.

    Attributes:
        files: serialized, imports first, each import among them.
        names: for each file that was given, in the same order, what it is called now; None where
            it is left out.
        notes: for each of them, what was done to it or why it is left out; mostly nothing.
    """

    files: list[bytes]
    names: list[str | None]
    notes: list[str]


def mend(given: Iterable[bytes]) -> Mended:
    """Make serialized files into a set that links.

    Of equal names in one package the first counts; in another package the file gets another name.
    The runtime's own ``google/protobuf`` files stand in for others of that package. An import is
    found by its whole name, else by a suffix that only one file has; one that is nowhere is
    dropped, and a file that does not link without it is left out.
    """
    mending = _Mending([read_file(data) for data in given])
    mending.name_apart()
    mending.find_imports()
    files = mending.link()
    return Mended([file.data + file.source_info for file in files], mending.names, mending.notes)


class _Mending:
    def __init__(self, given: list[File]) -> None:
        self._given = given
        self._packages = [read_package(file.data) for file in given]
        self.names: list[str | None] = [None] * len(given)
        self.notes = [""] * len(given)
        self._files: dict[str, File] = {}  # by their new names
        self._aliases: dict[str, str] = {}  # old names to the runtime's

    def name_apart(self) -> None:
        """Give each file that stays a name of its own."""
        kept: dict[tuple[str, str], int] = {}
        for index, (file, package) in enumerate(zip(self._given, self._packages, strict=True)):
            own = self._runtime_name(file, package)
            if own is not None:
                self.names[index] = self._aliases[file.name] = own
                continue
            first = kept.setdefault((file.name, package), index)
            if first != index:
                same = self._given[first].data == file.data
                self.notes[index] = "" if same else f"another {file.name} came first"
                self.names[index] = self.names[first] if same else None
                continue
            name = self._free_name(file.name, package)
            if name != file.name:
                self.notes[index] = f"called {file.name}, as is another one"
            self.names[index] = name
            self._files[name] = file

    def find_imports(self) -> None:
        """Let each file import others by the names that they have now."""
        suffixes: dict[str, list[str]] = {}
        for name in self._files:
            for suffix in _suffixes(name):
                suffixes.setdefault(suffix, []).append(name)
        for name, file in self._files.items():
            found = {old: self._import(old, suffixes) for old in file.imports}
            self._files[name] = file.renamed(name, found)

    def link(self) -> list[File]:
        """The files that link, in order."""
        self._add_runtime_files()
        pool = DescriptorPool()
        done: dict[str, File] = {}
        for file in self._in_order():
            missing = [name for name in file.imports if name not in done]
            whole = file.without_imports(missing) if missing else file
            try:
                pool.AddSerializedFile(whole.data)
            except (TypeError, ValueError, KeyError) as exc:
                self._leave_out(file.name, reason(exc) + _without(missing))
                continue
            done[file.name] = whole
            if missing:
                self._note(file.name, f"without the import of {', '.join(missing)}")
        return list(done.values())

    def _runtime_name(self, file: File, package: str) -> str | None:
        if package != _ENGINE:
            return None
        # gogo registers google/protobuf/descriptor.proto as descriptor.proto.
        name = f"google/protobuf/{PurePosixPath(file.name).name}"
        return name if runtime_file(name) is not None else None

    def _free_name(self, name: str, package: str) -> str:
        if name not in self._files:
            return name
        folder = package.replace(".", "/") or "other"
        names = (f"{folder}{number or ''}/{PurePosixPath(name).name}" for number in count())
        return next(one for one in names if one not in self._files)

    def _import(self, name: str, suffixes: Mapping[str, list[str]]) -> str:
        if name in self._files:
            return name
        if name in self._aliases:
            return self._aliases[name]
        # gogo.proto is imported as gogoproto/gogo.proto, and the other way round happens too.
        found = {suffix for suffix in _suffixes(name) if suffix in self._files}
        found |= set(suffixes.get(name, ()))
        return found.pop() if len(found) == 1 else name

    def _add_runtime_files(self) -> None:
        wanted = [name for file in self._files.values() for name in file.imports]
        wanted += self._aliases.values()
        for name in wanted:  # grows: the runtime's files import each other
            data = runtime_file(name) if name not in self._files else None
            if data is not None:
                self._files[name] = read_file(data)
                wanted += self._files[name].imports

    def _in_order(self) -> list[File]:
        """The files, imports first; those that import each other in a circle are left out."""
        waits = {
            name: {other for other in file.imports if other in self._files}
            for name, file in self._files.items()
        }
        importers: dict[str, list[str]] = {}
        for name, others in waits.items():
            for other in others:
                importers.setdefault(other, []).append(name)
        ready = [name for name, others in waits.items() if not others]
        for name in ready:  # grows
            for importer in importers.get(name, ()):
                waits[importer].discard(name)
                if not waits[importer]:
                    ready.append(importer)
        for name in self._files.keys() - set(ready):
            self._leave_out(
                name, "its imports lead back to itself, or to files of which that is so"
            )
        return [self._files[name] for name in ready]

    def _leave_out(self, name: str, why: str) -> None:
        self._note(name, why)
        self.names = [None if one == name else one for one in self.names]

    def _note(self, name: str, text: str) -> None:
        for index, one in enumerate(self.names):
            if one == name:
                self.notes[index] = f"{self.notes[index]}; {text}".removeprefix("; ")


def _suffixes(name: str) -> list[str]:
    """The shorter names that a file may go by: without its first folder, without two ..."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def _without(missing: list[str]) -> str:
    return f" (without the import of {', '.join(missing)})" if missing else ""
