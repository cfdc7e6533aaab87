"""Files from where nobody saw to it that they fit together, made into a set that links.

A binary or a server holds files under the names that its own build gave them, each once or several
times, and not all that they import. What can be put right is; what cannot is left out, and said.
"""

from __future__ import annotations

from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pool import DescriptorPool

from toolkit.errors import SchemaError
from toolkit.schema.files import File, read_file, read_package
from toolkit.schema.likeness import leads_to
from toolkit.schema.linking import reason
from toolkit.schema.wellknown import runtime_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Mended", "mend"]

# Far above what files have: to take more of what a peer tells would only cost time.
MAX_NAME = 255  # characters
MAX_FOLDERS = 32
MAX_IMPORTS = 1000

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
    mending = _Mending(list(given))
    mending.name_apart()
    mending.find_imports()
    files = mending.link()
    return Mended([file.data + file.source_info for file in files], mending.names, mending.notes)


class _Mending:
    def __init__(self, given: list[bytes]) -> None:
        self.names: list[str | None] = [None] * len(given)
        self.notes = [""] * len(given)
        self._given = [self._read(index, data) for index, data in enumerate(given)]
        self._files: dict[str, File] = {}  # by their new names
        self._places: dict[str, list[int]] = {}  # where in ``names`` those are
        self._aliases: dict[str, str] = {}  # old names to the runtime's
        self._taken = {file.name for file in self._given if file is not None}

    def name_apart(self) -> None:
        """Give each file that stays a name of its own."""
        kept: dict[tuple[str, str], int] = {}
        for index, file in enumerate(self._given):
            if file is None:
                continue
            package = read_package(file.data)
            own = self._runtime_name(file, package)
            if own is not None:
                self._aliases[file.name] = own
                self._call(index, own)
                continue
            if package == _ENGINE:
                self.notes[index] = f"in {_ENGINE}, and none of the runtime's files"
                continue
            first = kept.setdefault((file.name, package), index)
            if first != index:
                if self._data_at(first) == file.data:
                    self._call(index, self.names[first])
                else:
                    self.notes[index] = f"another {file.name} came first"
                continue
            name = self._free_name(file.name, package)
            if name != file.name:
                self.notes[index] = f"called {file.name}, as is another one"
            self._call(index, name)
            self._files[name] = file

    def find_imports(self) -> None:
        """Let each file import others by the names that they have now."""
        suffixes: dict[str, list[str]] = {}
        for name in self._files:
            for suffix in _suffixes(name):
                suffixes.setdefault(suffix, []).append(name)
        for name, file in self._files.items():
            found = {old: self._import(old, name, suffixes) for old in file.imports}
            self._files[name] = file.renamed(name, found)

    def link(self) -> list[File]:
        """The files that link, in order."""
        self._add_runtime_files()
        pool = DescriptorPool()
        done: dict[str, File] = {}
        failed: dict[str, str] = {}
        # Again for those that failed: without its import, a file waits for no other's types.
        files = self._in_order()
        for file in (*files, *files):
            if file.name in done:
                continue
            missing = [name for name in file.imports if name not in done]
            whole = file.without_imports(missing) if missing else file
            try:
                pool.AddSerializedFile(whole.data)
            except (TypeError, ValueError, KeyError) as exc:
                failed[file.name] = reason(exc) + _without(missing)
                continue
            if missing:
                self._note(file.name, f"without the import of {', '.join(missing)}")
                # The pool finds types without an import of their file; a compiler does not.
                whole = whole.with_imports(sorted(_needed(pool, file.name) - {*whole.imports}))
            done[file.name] = whole
        for name, why in failed.items():
            if name not in done:
                self._leave_out(name, why)
        return list(done.values())

    def _is_ordered(self) -> bool:
        done: set[str] = set()
        for name, file in self._files.items():
            if any(other not in done and other in self._files for other in file.imports):
                return False
            done.add(name)
        return True

    def _read(self, index: int, data: bytes) -> File | None:
        """A file, if it can be one of a set; else why not is noted."""
        try:
            file = read_file(data)
        except SchemaError as exc:
            self.notes[index] = str(exc)
            return None
        problem = next(filter(None, map(_unlikely, (file.name, *file.imports))), "")
        if not file.name:
            problem = "a file descriptor without a name"
        if len(file.imports) > MAX_IMPORTS:
            problem = f"it has {len(file.imports)} imports"
        self.notes[index] = problem
        return None if problem else file

    def _data_at(self, index: int) -> bytes:
        file = self._given[index]
        assert file is not None
        return file.data

    def _call(self, index: int, name: str | None) -> None:
        self.names[index] = name
        if name is not None:
            self._places.setdefault(name, []).append(index)

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
        found = next(one for one in names if one not in self._taken)
        self._taken.add(found)
        return found

    def _import(self, name: str, importer: str, suffixes: Mapping[str, list[str]]) -> str:
        if name in self._files:
            return name
        if name in self._aliases:
            return self._aliases[name]
        if runtime_file(name) is not None:
            return name
        # gogo.proto is imported as gogoproto/gogo.proto, and the other way round happens too.
        found = {suffix for suffix in _suffixes(name) if suffix in self._files}
        found |= set(suffixes.get(name, ()))
        found.discard(importer)
        return found.pop() if len(found) == 1 else name

    def _add_runtime_files(self) -> None:
        wanted = {name for file in self._files.values() for name in file.imports}
        found: dict[str, File] = {}
        for name in sorted(wanted | set(self._aliases.values())):
            self._add_runtime_file(name, found)
        self._files = found | self._files

    def _add_runtime_file(self, name: str, found: dict[str, File]) -> None:
        """One of the runtime's files, behind those that it imports; they are few, and no circle."""
        data = runtime_file(name) if name not in found and name not in self._files else None
        if data is not None:
            file = read_file(data)
            for other in file.imports:
                self._add_runtime_file(other, found)
            found[name] = file

    def _in_order(self) -> list[File]:
        """The files, imports first; those that import each other in a circle are left out."""
        if self._is_ordered():
            return list(self._files.values())
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
        for index in self._places.pop(name, ()):
            self.names[index] = None

    def _note(self, name: str, text: str) -> None:
        for index in self._places.get(name, ()):
            self.notes[index] = f"{self.notes[index]}; {text}".removeprefix("; ")


def _needed(pool: DescriptorPool, name: str) -> set[str]:
    """The other files whose types a file uses."""
    file = pool.FindFileByName(name)
    messages = list(file.message_types_by_name.values())
    for message in messages:  # grows
        messages += message.nested_types
    used = [one for message in messages for one in leads_to(message)]
    used += [one for service in file.services_by_name.values() for one in leads_to(service)]
    return {one.file.name for one in used} - {name}


def _unlikely(name: str) -> str:
    """What is wrong with a name that no file has; empty where nothing is."""
    if len(name) > MAX_NAME or name.count("/") > MAX_FOLDERS:
        return f"a name of {len(name)} characters and {name.count('/')} folders"
    return ""


def _suffixes(name: str) -> list[str]:
    """The shorter names that a file may go by: without its first folder, without two ..."""
    parts = name.split("/")
    return ["/".join(parts[start:]) for start in range(1, len(parts))]


def _without(missing: list[str]) -> str:
    return f" (without the import of {', '.join(missing)})" if missing else ""
