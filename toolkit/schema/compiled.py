"""Compiled descriptor sets in the cache.

An entry is two files named by a hash of the compiler's version, the import roots and the names that
were compiled. ``*.set`` lists the sources with a hash of their text, then the descriptors without
source info; ``*.info`` has the source info.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.cache import cache_folder, read_entry, store_entries
from toolkit.schema.files import join_set, read_file, split_set
from toolkit.schema.hashing import sha256
from toolkit.schema.protofiles import closure, engine_root, find_file
from toolkit.schema.warning import warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["Compiled", "compiled"]

FORMAT = b"ttrpc-toolkit schema cache 1"


class Compiled(NamedTuple):
    """A compiled descriptor set: what it holds, and what it was made from."""

    files: list[bytes]  # serialized, imports first, without source info
    digest: bytes  # of the sources' names and text
    source_info: Callable[[], Mapping[str, bytes]]  # serialized source info by file name


class _Source(NamedTuple):
    name: str
    root: int  # which of the roots has it


def compiled(names: Sequence[str], roots: Sequence[Path]) -> Compiled:
    """The descriptor set of these files: from the cache, else compiled now and put there.

    Raises:
        CompileError, SourceNotFound: as ``compile_protos`` does.
    """
    every_root = [*roots, engine_root()]
    key = _key(names, every_root)
    folder = cache_folder()
    entry = read_entry(folder, f"{key}.set") if folder is not None else None
    if entry is not None:
        found = _unfold(entry, every_root)
        if found is not None:
            files, digest = found
            return Compiled(files, digest, lambda: _source_info(folder, key, entry, names, roots))
    return _compile(names, roots, every_root, folder, key)


def _key(names: Sequence[str], roots: Sequence[Path]) -> str:
    # The engine is the last root; beside it lies the version that grpcio-tools gives itself.
    version = roots[-1].parent / "grpc_version.py"
    parts = [
        FORMAT,
        version.read_bytes() if version.is_file() else b"",
        *(os.fsencode(os.path.realpath(root)) for root in roots),
        b"",
        *(os.fsencode(name) for name in names),
    ]
    return sha256(join_set(parts)).hexdigest()


# Reading


def _unfold(entry: bytes, roots: Sequence[Path]) -> tuple[list[bytes], bytes] | None:
    """The files of an entry, and the digest of its sources; None when these have changed."""
    try:
        manifest, digest, descriptors = split_set(entry)
        sources = [_Source(os.fsdecode(line[1:]), line[0]) for line in split_set(manifest)]
        return (split_set(descriptors), digest) if _digest(sources, roots) == digest else None
    except (ValueError, IndexError, SchemaError) as exc:  # its checksum is right all the same
        warn(__name__, "an entry of the cache makes no sense: %s", exc)
        return None


def _digest(sources: Iterable[_Source], roots: Sequence[Path]) -> bytes | None:
    """The hash of the sources as they are now; None when one is missing or in another root."""
    engine = len(roots) - 1
    content = sha256()
    for name, root in sources:
        if root == engine:  # its version is part of the key
            if any(os.path.exists(f"{other}/{name}") for other in roots[:engine]):  # noqa: PTH110
                return None
            continue
        found = find_file(name, roots[: root + 1])
        if found is None or found.root is not roots[root]:
            return None
        content.update(b"%d %s %d " % (len(name), os.fsencode(name), len(found.data)))
        content.update(found.data)
    return content.digest()


def _source_info(
    folder: Path | None, key: str, entry: bytes, names: Sequence[str], roots: Sequence[Path]
) -> Mapping[str, bytes]:
    body = read_entry(folder, f"{key}.info") if folder is not None else None
    if body is not None:
        try:
            made_for, *pairs = split_set(body)
            if made_for == sha256(entry).digest():
                return {os.fsdecode(name): info for name, info in map(split_set, pairs)}
        except (ValueError, SchemaError) as exc:
            warn(__name__, "the comments in the cache make no sense: %s", exc)
    try:
        return _compile(names, roots, [*roots, engine_root()], folder, key).source_info()
    except SchemaError as exc:
        warn(__name__, "no comments: %s", exc)
        return {}


# Writing


def _compile(
    names: Sequence[str],
    roots: Sequence[Path],
    every_root: Sequence[Path],
    folder: Path | None,
    key: str,
) -> Compiled:
    from toolkit.schema.compile import compile_protos

    found, _ = closure(names, every_root)
    sources = [_Source(file.name, every_root.index(file.root)) for file in found.values()]
    digest = _digest(sources, every_root) or b""
    files = [read_file(data) for data in split_set(compile_protos(names, roots, found=found))]
    descriptors = [file.data for file in files]
    source_info = {file.name: file.source_info for file in files}
    # A file that changed under the compiler must not be remembered as the one that was hashed.
    if folder is not None and digest and _digest(sources, every_root) == digest:
        manifest = join_set(bytes([source.root]) + os.fsencode(source.name) for source in sources)
        entry = join_set([manifest, digest, join_set(descriptors)])
        pairs = (join_set([os.fsencode(name), info]) for name, info in source_info.items())
        info = join_set([sha256(entry).digest(), *pairs])
        store_entries(folder, {f"{key}.info": info, f"{key}.set": entry})
    return Compiled(descriptors, digest, lambda: source_info)
