"""Loading a schema by release or path; the same content is the same schema."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import ReleaseNotFound, SchemaError
from toolkit.schema.pool import Schema
from toolkit.schema.releases import find_release, releases
from toolkit.schema.setfile import SUFFIXES
from toolkit.schema.sources import (
    DescriptorSetSource,
    ProtoSource,
    VendoredSource,
    content_of,
    is_folder,
)
from toolkit.schema.warning import warn

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from toolkit.schema.releases import Release
    from toolkit.schema.sources import SchemaSource

__all__ = ["load", "schema_from", "source_of"]

# Message classes of two pools do not mix, so that two parts of a program that load the same schema
# must get the same one. The lock guards the table, not the building of what goes in.
_loaded: dict[tuple[Release | None, bytes], Schema] = {}
_lock = threading.Lock()


def load(source: str | os.PathLike[str], *, roots: Iterable[str | os.PathLike[str]] = ()) -> Schema:
    """The schema of a vendored release, a ``.proto`` file, a directory or a descriptor set.

    Text without a ``/`` and without a known suffix is a release: ``containerd@2.3``, or
    ``containerd`` for its newest line. ``roots`` are the import roots of ``.proto`` sources.
    ``binary:PATH`` and ``pid:N`` take the descriptors that an executable carries.
    The same content gives the same ``Schema`` for the life of the process.

    Raises:
        ReleaseNotFound, SourceNotFound: there is no such thing; the error has the nearest names.
        CompileError: a ``.proto`` file has errors; with file, line and column of each.
        NoSchema: the executable carries none.
        SchemaError: what is there is no schema.
    """
    return schema_from(source_of(source, roots=roots))


def source_of(
    source: str | os.PathLike[str], *, roots: Iterable[str | os.PathLike[str]] = ()
) -> SchemaSource:
    """What a name or a path stands for.

    Raises:
        ReleaseNotFound: the name of a release that is not vendored.
    """
    if isinstance(source, str) and _names_release(source):
        return VendoredSource(_release(source))
    if isinstance(source, str) and source.startswith(("binary:", "pid:")):
        from toolkit.schema.binary import binary_source  # few programs look into binaries

        found = binary_source(source)
        if found is not None:
            return found
    path = Path(source)
    if path.suffix == ".proto" or is_folder(path):
        return ProtoSource([path], [Path(root) for root in roots])
    return DescriptorSetSource(path)


def schema_from(source: SchemaSource) -> Schema:
    """The schema of any source; of the same content as before, the same schema.

    Raises:
        SchemaError: the source has no sound schema.
    """
    content = content_of(source)
    release = source.release if isinstance(source, VendoredSource) else None
    key = (release, content.digest)
    with _lock:
        known = _loaded.get(key)
    if known is not None:
        return known
    schema = Schema(
        source.name,
        content.files,
        release=release,
        digest=content.digest,
        source_info=content.source_info,
        companions=lambda: _companions(release),
        elsewhere=lambda symbol: _elsewhere(symbol, release),
    )
    with _lock:
        return _loaded.setdefault(key, schema)


def _names_release(source: str) -> bool:
    if "/" in source or source in (".", "..") or source.startswith(("binary:", "pid:")):
        return False
    return Path(source).suffix not in SUFFIXES | {".proto"}


def _release(name: str) -> Release:
    try:
        return find_release(name)
    except ReleaseNotFound as exc:
        if not Path(name).exists():
            raise
        # A folder beside us is meant more likely than a release spelt so.
        nearest = (f"./{name}", *exc.nearest)
        raise ReleaseNotFound(name, nearest=nearest, searched=exc.searched) from None


def _companions(release: Release | None) -> list[Schema]:
    """The schemas of a release's companions; of what is no release, the newest containerd's.

    A peer's own schema may lack what travels in its Anys, such as the options of runc.
    """
    names: tuple[str, ...] = ()
    if release is None:
        try:
            release = find_release("containerd")
        except SchemaError:
            return []
        names = (release.name,)
    names += release.companions
    return [schema for schema in map(_companion, names) if schema is not None]


def _companion(name: str) -> Schema | None:
    try:
        return load(name)
    except SchemaError as exc:
        warn(__name__, "companion %s is left out: %s", name, exc)
        return None


def _elsewhere(symbol: str, release: Release | None) -> Sequence[str]:
    from toolkit.schema.elsewhere import may_have

    return [
        other.name
        for other in releases()
        if other != release and may_have(other, symbol) and _has(other, symbol)
    ]


def _has(release: Release, symbol: str) -> bool:
    try:
        schema = schema_from(VendoredSource(release))
    except SchemaError:
        return False
    return symbol in schema.symbols()
