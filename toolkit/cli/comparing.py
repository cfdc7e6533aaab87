"""``ttrpc describe --compare``: where a schema differs from a release in what both have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli.errors import CommandError
from toolkit.cli.output import counted, data, note
from toolkit.cli.symbols import name_of
from toolkit.errors import joined
from toolkit.schema.likeness import ServiceLikeness, likeness, nearest_releases, reachable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.cli.sources import Sources
    from toolkit.schema.likeness import Likeness
    from toolkit.schema.pool import Schema

__all__ = ["compare"]

_SHOWN = 3  # lines of a project that are named as alike


def compare(sources: Sources, found: Sequence[tuple[Schema, Any]], *, symbol: bool) -> None:
    """Print the comparison of what was found: all of a schema, or one symbol and what it needs.

    Raises:
        CommandError: there is nothing in common.
    """
    with_what = sources.options.compare
    assert with_what is not None
    results = []
    for schema in dict.fromkeys(schema for schema, _ in found):
        for result in _compared(schema, with_what, sources):
            if not result.files:
                text = f"{schema.name} and {result.release.name} have nothing in common"
                raise CommandError(text)
            results.append(_only(result, found[0][1]) if symbol else result)
    if sources.options.json:
        import json

        data(json.dumps([_as_json(result) for result in results], indent=2))
    else:
        data("\n".join(map(_as_text, results)))


def _compared(schema: Schema, with_what: str, sources: Sources) -> list[Likeness]:
    if with_what != "auto":
        from toolkit import load

        return [likeness(schema, load(with_what, roots=sources.options.import_root))]
    found = nearest_releases(schema)
    if not found:
        raise CommandError(f"no vendored release has a service of {schema.name}")
    return [_nearest(results) for results in found.values()]


def _nearest(results: Sequence[Likeness]) -> Likeness:
    """The first of them, when the others have been told of."""
    equal = [one.release.name for one in results if not one.differences]
    if equal:
        note(f"Equal in what it has: {joined(equal, 'and')}.")
    else:
        near = [f"{one.release.name} ({len(one.differences)})" for one in results[:_SHOWN]]
        note(f"Nearest, by the number of differences: {joined(near, 'and')}.")
    return results[0]


def _only(result: Likeness, descriptor: Any) -> Likeness:
    """What of a comparison is about one symbol and what it leads to."""
    names = reachable(descriptor)
    differences = [one for one in result.differences if one.symbol in names]
    services = [service for service in result.services if service.name in names]
    if not services:
        name = name_of(descriptor)
        services = [ServiceLikeness(name, 0, differences)]
    return result._replace(services=services, differences=differences)


def _as_text(result: Likeness) -> str:
    release = result.release
    tag = f" ({release.release.tag})" if release.release is not None else ""
    lines = [f"against {release.name}{tag}:"]
    for service in result.services:
        methods = f"{counted(service.methods, 'method')}, " if service.methods else ""
        lines.append(f"{service.name}: {methods}{counted(len(service.differences), 'difference')}")
    lines += [f"  {one.text}" for one in result.differences]
    lines.append(
        f"in all: {counted(result.files, 'file')}, {counted(result.symbols, 'symbol')},"
        f" {counted(len(result.differences), 'difference')}"
    )
    return "\n".join(lines)


def _as_json(result: Likeness) -> dict[str, Any]:
    release = result.release
    return {
        "against": release.name,
        "tag": release.release.tag if release.release is not None else None,
        "files": result.files,
        "symbols": result.symbols,
        "services": [
            {
                "name": service.name,
                "methods": service.methods,
                "differences": [one.text for one in service.differences],
            }
            for service in result.services
        ],
        "differences": [one._asdict() for one in result.differences],
    }
