"""Which schema answers for a name: one of ``-s``, else the newest vendored release with it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from toolkit.cli.errors import CommandError
from toolkit.cli.output import note
from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method
    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release

__all__ = [
    "METHOD",
    "SERVICE",
    "SYMBOL",
    "Wanted",
    "explain",
    "given_or_newest",
    "methods",
    "search",
]

# One implementation of the process's life under two names: which of them a shim serves depends on
# its age, so a short method name means the newest that the peer has.
_TASK = "containerd.task."


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
        return None
    return schema.service(name)


SERVICE = Wanted("service", _service, lambda schema: (s.name for s in schema.services()))
METHOD = Wanted(
    "method",
    lambda schema, name: schema.methods_named(name) or None,
    lambda schema: (method.name for service in schema.services() for method in service),
)
SYMBOL = Wanted(
    "symbol", lambda schema, name: schema.symbols().get(name), lambda schema: schema.symbols()
)


def _schemas(options: Options) -> Iterator[Schema]:
    """The schemas to look through, in order; loaded one by one as they are asked for."""
    from toolkit.schema.load import load, schema_from  # protobuf is 30 ms that `--help` saves
    from toolkit.schema.sources import VendoredSource

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
        lines.sort(
            key=lambda release: release.line == "main"
        )  # stable: the others keep their order
    return list(itertools.chain.from_iterable(projects.values()))


def given_or_newest(options: Options) -> list[Schema]:
    """All of ``-s``; without one, the newest containerd."""
    found = list(itertools.islice(_schemas(options), len(options.schema) or 1))
    if not found:
        raise CommandError("nothing is vendored: `ttrpc releases` is empty")
    return found


def search(options: Options, wanted: Wanted, name: str) -> tuple[Schema, Any]:
    """The first schema that has something of this kind and name, and what it has.

    Raises:
        SymbolNotFound, CommandError: none has it; with the nearest names.
    """
    asked = []
    for schema in _schemas(options):
        found = wanted.find(schema, name)
        if found is not None:
            return schema, found
        asked.append(schema)
    raise _missing(wanted, name, asked, vendored=not options.schema)


def _missing(wanted: Wanted, name: str, asked: list[Schema], *, vendored: bool) -> Exception:
    from toolkit.errors import SymbolNotFound
    from toolkit.schema.nearest import nearest  # difflib, which only a miss pays

    near = nearest(name, itertools.chain.from_iterable(map(wanted.names, asked)))
    if len(asked) == 1:
        only = asked[0]
        elsewhere = only.elsewhere(name)
        return SymbolNotFound(
            wanted.kind, name, schema=only.name, nearest=near, elsewhere=elsewhere
        )
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if vendored:
        own = "" if near else "; -s takes a schema of your own"
        return CommandError(f"no vendored release has a {wanted.kind} {name!r}{hint}{own}")
    owners = ", ".join(schema.name for schema in asked)
    return CommandError(f"none of {owners} has a {wanted.kind} {name!r}{hint}")


def methods(options: Options, name: str) -> list[Method]:
    """The methods that ``name`` may mean, the one to try first in front; mostly just one."""
    symbol = name.lstrip("./")
    service, separator, _ = symbol.rpartition("/" if "/" in symbol else ".")
    if not separator:
        return _short(options, symbol)
    schema, _ = search(options, SERVICE, service)
    return [schema.method(symbol)]


def _short(options: Options, name: str) -> list[Method]:
    schema, found = search(options, METHOD, name)
    tasks = [method for method in found if method.service.name.startswith(_TASK)]
    if tasks:
        return sorted(tasks, key=lambda method: method.service.name, reverse=True)
    if len(found) > 1:
        full = "\n".join(f"  {method.path.lstrip('/')}" for method in found)
        raise CommandError(
            f"{schema.name} has {len(found)} methods named {name!r}; name one in full:\n{full}"
        )
    return list(found)


def explain(options: Options, schema: Schema, what: str = "") -> None:
    """Say under ``-v`` which schema it is, and why this one."""
    if not options.verbose:
        return
    tag = f" ({schema.release.tag})" if schema.release is not None else ""
    why = "" if options.schema else ", the newest vendored release"
    note(f"Schema: {schema.name}{tag}{why}{f' that has {what}' if why and what else ''}")
