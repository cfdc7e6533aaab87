"""How a schema that somebody uses compares with a vendored release, in what both of them have.

A program holds some of a release's files, and files of other projects. So what is compared is each
of its files against the file, whatever it is called there, that declares the same symbols in the
release or in a companion; files that have no counterpart are left aside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from toolkit.schema.compare import Difference, differences, structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.descriptor import FileDescriptor

    from toolkit.schema.compare import Structure
    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release

__all__ = ["Likeness", "ServiceLikeness", "leads_to", "likeness", "nearest_releases", "reachable"]

_REFLECTION = "reflection"


class ServiceLikeness(NamedTuple):
    """One service that both have.

    Attributes:
        name: its full name.
        methods: how many it has in the schema.
        differences: in the service, or in a message that its methods lead to.
    """

    name: str
    methods: int
    differences: list[Difference]


class Likeness(NamedTuple):
    """How a schema differs from a release, where they have something in common.

    Attributes:
        release: the schema of the release.
        files: how many of the schema's files have a counterpart there.
        symbols: how many messages, enums, services and extensions these declare.
        services: those that both have, by name.
        differences: all of them: what makes the release's into the schema's.
    """

    release: Schema
    files: int
    symbols: int
    services: list[ServiceLikeness]
    differences: list[Difference]


def likeness(schema: Schema, release: Schema) -> Likeness:
    """Compare what a schema and a release have in common."""
    theirs = _by_file(release)
    for companion in release.companions:
        for name, symbols in _by_file(companion).items():
            theirs.setdefault(name, symbols)
    home = {symbol: name for name, symbols in reversed(theirs.items()) for symbol in symbols}
    new: dict[str, Any] = {}
    counterparts: set[str] = set()
    files = 0
    for symbols in _by_file(schema).values():
        found = {home[symbol] for symbol in symbols if symbol in home}
        if found:
            files += 1
            new.update(symbols)
            counterparts |= found
    old = {symbol: one for name in counterparts for symbol, one in theirs[name].items()}
    found_differences = differences(old, new)
    return Likeness(
        release, files, len(new), list(_services(schema, new, found_differences)), found_differences
    )


def nearest_releases(schema: Schema) -> dict[str, list[Likeness]]:
    """The vendored lines that have services of a schema, by project, the most alike first.

    Reflection's own services are no project's; a schema that has no others is compared with them.
    """
    from toolkit.schema.elsewhere import service_names
    from toolkit.schema.releases import releases

    names = {service.name for service in schema.services()}
    shared: dict[str, dict[Release, int]] = {}
    for release in releases():
        count = len(names.intersection(service_names(release)))
        if count:
            shared.setdefault(release.project, {})[release] = count
    if len(shared) > 1:
        shared.pop(_REFLECTION, None)
    return {project: _ranked(schema, lines) for project, lines in shared.items()}


def _ranked(schema: Schema, lines: Mapping[Release, int]) -> list[Likeness]:
    from toolkit.schema.load import schema_from
    from toolkit.schema.sources import VendoredSource

    most = max(lines.values())
    found = [
        likeness(schema, schema_from(VendoredSource(release)))
        for release, count in lines.items()
        if count == most
    ]
    # The sort is stable: of equally many differences, the newer line comes first.
    found.reverse()
    return sorted(found, key=_distance)


def _distance(found: Likeness) -> tuple[int, int, int]:
    """How far a release is: a line only grows, and it is vendored by its latest tag.

    So what a program has and the line has not tells against it more than what the program lacks.
    """
    lacking = sum(one.kind == "removed" for one in found.differences)
    return len(found.differences) - lacking, lacking, -found.symbols


def reachable(descriptor: Any) -> set[str]:
    """The full names of a symbol and of every message and enum that it leads to."""
    names: set[str] = set()
    # A oneof is about its message, an enum's value about its enum.
    pending = [descriptor]
    if not hasattr(descriptor, "full_name"):
        pending = [descriptor.type]
    while pending:
        one = pending.pop()
        if one.full_name not in names:
            names.add(one.full_name)
            pending += leads_to(one)
    return names


def leads_to(descriptor: Any) -> Iterator[Any]:
    """The messages and enums that a symbol is about."""
    if isinstance(descriptor, FieldDescriptor):
        if descriptor.message_type is not None:
            yield descriptor.message_type
        if descriptor.enum_type is not None:
            yield descriptor.enum_type
    elif isinstance(descriptor, Descriptor):
        for field in descriptor.fields:
            yield from leads_to(field)
    elif not isinstance(descriptor, EnumDescriptor) and hasattr(descriptor, "methods"):
        for method in descriptor.methods:
            yield from (method.input_type, method.output_type)
    elif hasattr(descriptor, "input_type"):
        yield from (descriptor.input_type, descriptor.output_type)


def _services(
    schema: Schema, common: Structure, found: Iterable[Difference]
) -> Iterator[ServiceLikeness]:
    for service in schema.services():
        if service.name in common:
            names = reachable(service.descriptor)
            own = [one for one in found if one.symbol in names]
            yield ServiceLikeness(service.name, len(service), own)


def _by_file(schema: Schema) -> dict[str, Structure]:
    files: dict[str, FileDescriptor] = {
        one.file.name: one.file for one in schema.symbols().values() if hasattr(one, "file")
    }
    found = {name: structure([file]) for name, file in files.items()}
    return {name: symbols for name, symbols in found.items() if symbols}
