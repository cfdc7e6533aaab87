"""METHOD as people type it: in full, by its service's last name, or by its own name alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from toolkit.cli.errors import CommandError
from toolkit.cli.sources import SERVICE, TASK, Wanted
from toolkit.errors import SchemaError, joined
from toolkit.reflection.spoken import over_ttrpc

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.cli.sources import Sources
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["methods"]


def methods(sources: Sources, name: str) -> list[Method]:
    """The methods that ``name`` may mean, the one to try first in front; mostly just one.

    Raises:
        SymbolNotFound, CommandError: it means none, or too many.
    """
    symbol = name.lstrip("./")
    service, separator, method = symbol.rpartition("/" if "/" in symbol else ".")
    if not separator:
        return _short(sources, symbol, symbol)
    if "." not in service:
        return _short(sources, method, symbol, service=service)
    try:
        schema, _ = sources.search(SERVICE, service)
    except (SchemaError, CommandError):
        _refuse_service(sources, symbol)
        raise
    return [schema.method(symbol)]


def _refuse_service(sources: Sources, symbol: str) -> None:
    """Say what else is to be named, when a service was.

    Raises:
        CommandError: the symbol is one.
    """
    for schema in sources.schemas():
        if symbol in schema.symbols():
            found = [service for service in schema.services() if service.name == symbol]
            if found:
                full = "\n".join(f"  {method.path.lstrip('/')}" for method in found[0])
                raise CommandError(f"{symbol} is a service; name one of its methods:\n{full}")


def _short(sources: Sources, name: str, symbol: str, *, service: str = "") -> list[Method]:
    """The methods of this name, or of services of this last name, that may be meant."""

    def meant(one: Service) -> bool:
        if sources.options.schema:
            return True
        if sources.is_own(one.schema):
            return sources.may_serve(one.name)
        return over_ttrpc(one.name)

    def candidates(schema: Schema) -> Iterable[Service]:
        for one in schema.services():
            named = not service or one.name.rpartition(".")[2] == service
            if named and meant(one):
                yield one

    def find(schema: Schema, _: str) -> list[Method] | None:
        return [one[name] for one in candidates(schema) if name in one] or None

    def names(schema: Schema) -> Iterable[str]:
        prefix = f"{service}/" if service else ""
        return (f"{prefix}{method.name}" for one in candidates(schema) for method in one)

    try:
        schema, found = sources.search(Wanted("method", find, names), symbol)
    except (SchemaError, CommandError) as exc:
        _refuse_short_service(sources, symbol)
        raise _with_grpc(sources, name, service, exc) from None
    return _chosen(schema, found, symbol)


def _chosen(schema: Schema, found: Sequence[Method], symbol: str) -> list[Method]:
    tasks = [method for method in found if method.service.name.startswith(TASK)]
    if tasks:
        return sorted(tasks, key=lambda method: method.service.name, reverse=True)
    if len(found) > 1:
        full = "\n".join(f"  {method.path.lstrip('/')}" for method in found)
        raise CommandError(
            f"{schema.name} has {len(found)} methods named {symbol!r}; name one in full:\n{full}"
        )
    return list(found)


def _refuse_short_service(sources: Sources, name: str) -> None:
    if "/" in name or "." in name:
        return
    for schema in sources.schemas():
        found: Any = SERVICE.find(schema, name)
        if found is not None:
            _refuse_service(sources, found.name)


def _with_grpc(sources: Sources, name: str, service: str, error: Exception) -> Exception:
    """The error, with the methods of gRPC's services that have the name; those are not guessed."""
    if sources.options.schema:
        return error
    found = {
        method.path.lstrip("/"): None
        for schema in sources.schemas()
        for method in schema.methods_named(name)
        if not service or method.service.name.rpartition(".")[2] == service
    }
    if not found:
        return error
    some = list(itertools.islice(found, 3))
    return CommandError(f"{error} (for {joined(some)}, which gRPC servers offer, write it in full)")
