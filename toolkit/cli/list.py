"""``ttrpc list``: services, or the methods of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli import sources
from toolkit.cli.arguments import address_and_symbol
from toolkit.cli.errors import SUCCESS
from toolkit.cli.output import data, note

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] [SERVICE]"
FLAGS = ("schema", "import_root", "json")
ABOUT = """\
List the services of a schema, or the methods of SERVICE. Without -s the
schema is the newest containerd, or the newest vendored release that has
SERVICE."""


def run(options: Options) -> int:
    """Print one name a line, sorted, or the JSON of the same."""
    address, name = address_and_symbol("list", options.arguments)
    if address is not None and not options.schema:
        note("Note: the peer is not asked what it serves; this is a vendored release.")
    if name is None:
        _list_services(options)
    else:
        _list_methods(options, name)
    return SUCCESS


def _list_services(options: Options) -> None:
    found: dict[str, tuple[Schema, Service]] = {}
    for schema in sources.given_or_newest(options):
        if options.verbose:
            sources.explain(options, schema)
        for service in schema.services():
            found.setdefault(service.name, (schema, service))
    names = sorted(found)
    if options.json:
        data(_json([_service_json(*found[name]) for name in names]))
    else:
        data("\n".join(names) or "(No services)")


def _list_methods(options: Options, name: str) -> None:
    schema, service = sources.search(options, sources.SERVICE, name.removeprefix("."))
    sources.explain(options, schema, service.name)
    if options.json:
        data(_json(_service_json(schema, service)))
    else:
        names = sorted(method.full_name for method in service)
        data("\n".join(names) or "(No methods)")


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
