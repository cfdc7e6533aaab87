"""``ttrpc vendor sync``: the source that was named, and what is said of the line it made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.address import is_there
from toolkit.cli.errors import SUCCESS, UsageError
from toolkit.cli.output import counted, data, note
from toolkit.errors import NoSchema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.cli.arguments import Options
    from toolkit.schema.compare import Difference, Structure
    from toolkit.schema.releases import Release
    from toolkit.schema.sources import SchemaSource
    from toolkit.schema.vendoring.sync import Synced

__all__ = ["sync"]

_ELF = b"\x7fELF"


def sync(names: list[str], options: Options, folder: Path) -> int:
    """Write one line to a folder and print what has changed.

    Raises:
        UsageError: there is no name, or no source.
        SchemaError, OSError: it cannot be made or written; what was there stays.
    """
    where = getattr(options, "from")
    if len(names) != 1 or where is None:
        raise UsageError("vendor sync wants a name and a source: PROJECT@LINE --from SOURCE")
    from toolkit.schema.vendoring.sync import split_name
    from toolkit.schema.vendoring.sync import sync as write

    for flag, text in (("--tag", options.tag), ("--commit", options.commit)):
        if text and not (text.isprintable() and text.isascii()):
            raise UsageError(f"{flag} {text!r}: wanted plain text")
    split_name(names[0])  # before anything is searched or asked
    source, program = _source(where, names[0], options)
    done = write(
        names[0],
        source,
        folder,
        tag=options.tag or "",
        commit=options.commit or "",
        origin=_origin(where),
        program=program,
    )
    for line in _report(done):
        data(line)
    for line in done.notes:
        note(f"{done.release.name}: {line}")
    _warn_of_a_shadow(done.release)
    return SUCCESS


def _source(where: str, name: str, options: Options) -> tuple[SchemaSource, bool]:
    """What has the interface, and whether that is a program."""
    from toolkit.schema.binary import BinarySource
    from toolkit.schema.load import source_of
    from toolkit.schema.vendoring.sync import tree_source

    path = Path(where)
    roots = [Path(root) for root in options.import_root]
    if where.startswith("grpc:"):
        from toolkit.reflection.overgrpc import ask_grpc

        return ask_grpc(where.removeprefix("grpc:"), connect_timeout=options.connect_timeout), True
    if path.is_dir() and not _is_bundle(path):
        return tree_source(name, path, roots), False
    if is_there(where) or "://" in where or where.startswith("@"):
        return _of_a_peer(where, options), True
    if path.is_file() and _is_program(path):
        return BinarySource(where), True
    source = source_of(where, roots=roots)
    return source, isinstance(source, BinarySource)


def _is_bundle(folder: Path) -> bool:
    """Whether a folder is a container's, and not a tree that has a folder of such a name."""
    return any((folder / name).is_file() for name in ("bootstrap.json", "address"))


def _is_program(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ELF)) == _ELF


def _of_a_peer(address: str, options: Options) -> SchemaSource:
    """What the server at an address has itself; nothing is sent that it could mind."""
    from toolkit.cli.peer import Peer
    from toolkit.schema.sources import DescriptorSetSource

    with Peer(address, options) as peer:
        found = peer.find(probe=False)
        if found is None:
            raise NoSchema(
                f"{peer.address} has no schema of its own to take: neither descriptors in its "
                "binary nor reflection; -v tells more"
            )
        note(f"From {found.how}.")
        return DescriptorSetSource(list(found.schemas[0].files().values()), peer.address)


def _origin(where: str) -> str:
    """What the record says of a source: a path from wherever one is, anything else as it is."""
    text = str(Path(where).absolute()) if Path(where).exists() else where
    return text.encode("utf-8", "replace").decode()  # a path may be of any bytes, the record not


def _report(done: Synced) -> Iterator[str]:
    release = done.release
    known = [part for part in (release.tag, release.commit[:12]) if part]
    what = f" ({', '.join(known)})" if known else ""
    services = sum(symbol.kind == "service" for symbol in done.new.values())
    yield (
        f"{release.name}{what}: {counted(done.files, 'file')}, {counted(len(done.new), 'symbol')}, "
        f"{counted(services, 'service')}"
    )
    if done.before is None:
        yield f"the first line of {release.project}: nothing to compare with"
        return
    before = done.before
    tag = f" ({before.tag})" if before.tag else ""
    old = " as known until now" if before.name == release.name else ""
    yield f"against {before.name}{tag}{old}: {counted(len(done.differences), 'difference')}"
    yield from (f"  {line}" for line in _grouped(done.differences, done.old, done.new))


def _grouped(found: list[Difference], old: Structure, new: Structure) -> Iterator[str]:
    """The differences as sentences; the packages that came or went whole are one."""
    whole: dict[tuple[str, str], int] = {}
    for one in found:
        package = _package(one.symbol, old, new)
        if one.kind != "changed" and package not in _packages(
            new if one.kind == "removed" else old
        ):
            whole[one.kind, package] = whole.get((one.kind, package), 0) + 1
        else:
            yield one.text
    for kind in ("added", "removed"):
        packages = [
            f"{package or 'no package'} ({counted(count, 'symbol')})"
            for (how, package), count in whole.items()
            if how == kind
        ]
        if packages:
            yield f"whole packages {kind}: {', '.join(packages)}"


def _packages(structure: Structure) -> set[str]:
    return {_outermost(name, structure) for name in structure}


def _package(symbol: str, old: Structure, new: Structure) -> str:
    return _outermost(symbol, new if symbol in new else old)


def _outermost(symbol: str, structure: Structure) -> str:
    """The package of a symbol: what is left when no part of it is a symbol itself."""
    package = symbol.rpartition(".")[0]
    while package in structure:
        package = package.rpartition(".")[0]
    return package


def _warn_of_a_shadow(release: Release) -> None:
    """Say when the line cannot be seen, or hides one that comes with the toolkit."""
    from toolkit.errors import ReleaseNotFound
    from toolkit.schema.releases import find_release

    try:
        seen = find_release(release.name)
    except ReleaseNotFound:
        note(f"{release.name}: {release.origin} is not looked through; --vendor names it")
        return
    if seen.line == release.line and seen.origin != release.origin:
        note(f"{release.name}: the one in {seen.origin} comes first, and hides it")
