"""Putting serialized files into one private descriptor pool, in an order that links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pool import DescriptorPool

from toolkit.errors import SchemaError
from toolkit.schema.files import File, read_file, read_name
from toolkit.schema.wellknown import check_shapes, runtime_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["link", "reason"]


def link(
    name: str, serialized: Iterable[bytes], *, as_compiled: bool = False
) -> tuple[DescriptorPool, list[File]]:
    """A new pool with all the files, and the files as they were added, imports first.

    A weak import that is missing is dropped; a missing ``google/protobuf`` file comes from the
    runtime.

    Args:
        name: what errors call the schema.
        serialized: the files.
        as_compiled: they are in order, complete and without source info; reading their imports
            would take a third of the time.

    Raises:
        SchemaError: the files are broken, contradict each other or lack one that they import.
    """
    try:
        if as_compiled:
            files = [File(read_name(data), (), frozenset(), data, b"") for data in serialized]
        else:
            files = _in_order(_with_runtime_files(_by_name(serialized)))
        pool = DescriptorPool()
        for file in files:
            _add(pool, file)
        check_shapes(pool)
    except SchemaError as exc:
        raise SchemaError(f"{name}: {exc}") from exc.__cause__
    return pool, files


def _by_name(serialized: Iterable[bytes]) -> dict[str, File]:
    files: dict[str, File] = {}
    for data in serialized:
        file = read_file(data)
        if not file.name:
            raise SchemaError("a file descriptor without a name")
        known = files.setdefault(file.name, file)
        if known.data != file.data:
            raise SchemaError(f"two different files are called {file.name}")
    return files


def _with_runtime_files(files: dict[str, File]) -> dict[str, File]:
    wanted = [name for file in files.values() for name in file.imports if name not in files]
    for name in wanted:  # grows: the runtime's files import each other
        data = runtime_file(name) if name not in files else None
        if data is not None:
            files[name] = read_file(data)
            wanted += files[name].imports
    for file in files.values():
        for name in file.imports:
            if name not in files and name not in file.weak:
                raise SchemaError(f"{file.name} imports {name}, which is not there")
    return {name: _without_missing(file, files) for name, file in files.items()}


def _without_missing(file: File, files: Mapping[str, File]) -> File:
    missing = [name for name in file.imports if name not in files]
    return file.without_imports(missing) if missing else file


def _in_order(files: dict[str, File]) -> list[File]:
    done: dict[str, File] = {}
    for file in files.values():
        if not all(name in done for name in file.imports):
            return _sorted(files)
        done[file.name] = file
    return list(done.values())


def _sorted(files: dict[str, File]) -> list[File]:
    from graphlib import CycleError, TopologicalSorter  # what we compiled is in order already

    sorter = TopologicalSorter({name: file.imports for name, file in files.items()})
    try:
        return [files[name] for name in sorter.static_order()]
    except CycleError as exc:
        # graphlib lists who comes first; read backwards that is who imports whom.
        cycle = " imports ".join(reversed(exc.args[1]))
        raise SchemaError(f"files import each other: {cycle}") from None


def _add(pool: DescriptorPool, file: File) -> None:
    try:
        pool.AddSerializedFile(file.data)
    except (TypeError, ValueError, KeyError) as exc:
        raise SchemaError(f"{file.name}: {reason(exc)}") from exc


def reason(exc: Exception) -> str:
    """What upb has against a file, without the frame that it puts around it."""
    text = str(exc.args[0]) if exc.args else str(exc)
    for frame in (
        "Couldn't build proto file into descriptor pool:",
        "Couldn't parse file content!",
    ):
        if text.startswith(frame):
            text = text.removeprefix(frame).strip()
    return text or "its bytes are no file descriptor"
