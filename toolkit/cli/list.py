"""``ttrpc list``: services, or the methods of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli.arguments import address_and_symbol
from toolkit.cli.errors import SUCCESS, CommandError
from toolkit.cli.output import data, note
from toolkit.cli.sources import SERVICE, Sources
from toolkit.cli.target import at

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] [SERVICE]"
FLAGS = ("schema", "import_root", "json", "connect_timeout", "no_probe")
ABOUT = """\
List the services of a schema, or the methods of SERVICE. Without -s the
schema is the newest containerd, or the newest vendored release that has
SERVICE. SERVICE may be short (Task) where it can only mean one.

With an ADDRESS the schema is the one in the binary behind the socket, for
which nothing is sent; else what the server tells by reflection; else it is
probed for known services, by calls that do nothing. -v tells what was found
where."""


def run(options: Options) -> int:
    """Print one name a line, sorted, or the JSON of the same."""
    address, name = address_and_symbol("list", options.arguments)
    with at(address, options) as peer:
        sources = Sources(options, peer)
        if name is None:
            _list_services(sources)
        else:
            _list_methods(sources, name)
    return SUCCESS


def _list_services(sources: Sources) -> None:
    found: dict[str, tuple[Schema, Service]] = {}
    for schema in sources.offered():
        sources.explain(schema)
        sources.note_origin(schema)
        for service in schema.services():
            if sources.may_serve(service.name):
                found.setdefault(service.name, (schema, service))
    names = sorted(found)
    if sources.options.json:
        data(_json([_service_json(*found[name]) for name in names]))
    else:
        _print_names(names, "(No services)")


def _list_methods(sources: Sources, name: str) -> None:
    schema, service = sources.search(SERVICE, name.removeprefix("."))
    if not sources.may_serve(service.name):
        assert sources.found is not None
        served = ", ".join(sources.found.services or ())
        raise CommandError(f"the peer has no service {service.name}; it has {served}")
    sources.explain(schema, service.name)
    sources.note_origin(schema)
    if sources.options.json:
        data(_json(_service_json(schema, service)))
    else:
        _print_names(sorted(method.full_name for method in service), "(No methods)")


def _print_names(names: list[str], none: str) -> None:
    if names:
        data("\n".join(names))
    else:
        note(none)


def _service_json(schema: Schema, service: Service) -> dict[str, Any]:
    return {
        "name": service.name,
        "schema": schema.name,
        "methods": [_method_json(method) for method in service],
    }


def _method_json(method: Method) -> dict[str, str]:
    return {
        "name": method.name,
        "path": method.path,
        "kind": method.kind.name.lower(),
        "request": method.descriptor.input_type.full_name,
        "reply": method.descriptor.output_type.full_name,
    }


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2)
