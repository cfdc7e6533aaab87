"""Which schema answers for a name: one of ``-s``, else the newest vendored release with it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from toolkit.cli.errors import CommandError, UsageError
from toolkit.cli.output import note
from toolkit.errors import SchemaError, joined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release

__all__ = ["SERVICE", "SYMBOL", "TASK", "Wanted", "explain", "given_or_newest", "schemas", "search"]


TASK = "containerd.task."  # the packages v2 and v3


class Wanted:
    """A kind of thing that a name may stand for.

    Attributes:
        kind: what errors call it.
        find: it, in a schema; None where the schema lacks it. Cheap, for all releases are asked.
        names: all names of this kind in a schema.
    """

    __slots__ = ("find", "kind", "names")

    def __init__(
        self,
        kind: str,
        find: Callable[[Schema, str], Any],
        names: Callable[[Schema], Iterable[str]],
    ) -> None:
        self.kind = kind
        self.find = find
        self.names = names


def _service(schema: Schema, name: str) -> Any:
    try:
        schema.pool.FindServiceByName(name)
    except KeyError:
        full = _in_full(schema, name, (service.name for service in schema.services()))
        return None if full is None else schema.service(full)
    return schema.service(name)


def _symbol(schema: Schema, name: str) -> Any:
    symbols = schema.symbols()
    found = symbols.get(name)
    if found is not None or "." in name:
        return found
    # Fields, values and methods have too many namesakes to go by the last part of their names.
    full = _in_full(schema, name, (full for full, one in symbols.items() if _is_type(one)))
    return None if full is None else symbols[full]


def _is_type(descriptor: Any) -> bool:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, ServiceDescriptor

    return isinstance(descriptor, (Descriptor, EnumDescriptor, ServiceDescriptor))


def _in_full(schema: Schema, short: str, names: Iterable[str]) -> str | None:
    """The one full name that ends in a short one; of ``task.v2`` and ``task.v3`` the latter.

    Raises:
        CommandError: several do.
    """
    if not short or "." in short:
        return None
    found = sorted(name for name in names if name.rpartition(".")[2] == short)
    # The life of a process has two names, and the newer one stands for both.
    found = [name for name in found if name.startswith(TASK)][-1:] or found
    if len(found) > 1:
        full = "\n".join(f"  {name}" for name in found)
        raise CommandError(f"{schema.name} has {len(found)} {short!r}; name one in full:\n{full}")
    return found[0] if found else None


SERVICE = Wanted("service", _service, lambda schema: (s.name for s in schema.services()))
SYMBOL = Wanted("symbol", _symbol, lambda schema: schema.symbols())


def schemas(options: Options) -> Iterator[Schema]:
    """The schemas to look through, in order; loaded one by one as they are asked for."""
    from toolkit.schema.load import load, schema_from  # protobuf is 30 ms that `--help` saves
    from toolkit.schema.sources import VendoredSource

    if "" in options.schema:
        raise UsageError("-s wants a release or a path, and it is empty")
    if options.schema:
        yield from (load(source, roots=options.import_root) for source in options.schema)
        return
    if options.import_root:
        note("Warning: -I has no effect without -s.")
    for release in _newest_first():
        try:
            yield schema_from(VendoredSource(release))
        except SchemaError as exc:
            note(f"Warning: {release.name} is left out, it does not load: {exc}")


def _newest_first() -> list[Release]:
    """All releases: containerd's first, the newest line of each project first, ``main`` last."""
    from toolkit.schema.releases import releases

    projects: dict[str, list[Release]] = {}
    for release in releases():
        projects.setdefault(release.project, []).insert(0, release)
    for lines in projects.values():
        # The sort is stable: the others keep their order.
        lines.sort(key=lambda release: release.line == "main")
    return list(itertools.chain.from_iterable(projects.values()))


def given_or_newest(options: Options) -> list[Schema]:
    """All of ``-s``; without one, the newest containerd."""
    found = list(itertools.islice(schemas(options), len(options.schema) or 1))
    if not found:
        raise CommandError("nothing is vendored: `ttrpc releases` is empty")
    return found


def search(options: Options, wanted: Wanted, name: str) -> tuple[Schema, Any]:
    """The first schema that has something of this kind and name, and what it has.

    Raises:
        SymbolNotFound, CommandError: none has it; with the nearest names.
    """
    asked = []
    for schema in schemas(options):
        found = wanted.find(schema, name)
        if found is not None:
            return schema, found
        asked.append(schema)
    raise _missing(wanted, name, asked, vendored=not options.schema)


def _missing(wanted: Wanted, name: str, asked: list[Schema], *, vendored: bool) -> Exception:
    from toolkit.errors import SymbolNotFound
    from toolkit.schema.nearest import nearest, own_names  # difflib, which only a miss pays

    names = own_names(name, itertools.chain.from_iterable(map(wanted.names, asked)))
    near = nearest(name, names)
    if len(asked) == 1:
        only = asked[0]
        elsewhere = only.elsewhere(name)
        return SymbolNotFound(
            wanted.kind, name, schema=only.name, nearest=near, elsewhere=elsewhere
        )
    hint = f"; did you mean {joined(near)}?" if near else ""
    if vendored:
        own = "" if near else "; -s takes a schema of your own"
        return CommandError(f"no vendored release has a {wanted.kind} {name!r}{hint}{own}")
    owners = joined([schema.name for schema in asked], "and")
    return CommandError(f"none of {owners} has a {wanted.kind} {name!r}{hint}")


def explain(options: Options, schema: Schema, what: str = "") -> None:
    """Say under ``-v`` which schema it is, and why this one."""
    if not options.verbose:
        return
    tag = f" ({schema.release.tag})" if schema.release is not None else ""
    why = "" if options.schema else ", the newest vendored release"
    note(f"Schema: {schema.name}{tag}{why}{f' that has {what}' if why and what else ''}")
