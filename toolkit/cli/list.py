"""``ttrpc list``: services, or the methods of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli import peer, sources
from toolkit.cli.arguments import address_and_symbol
from toolkit.cli.errors import SUCCESS
from toolkit.cli.output import data, note

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method, Service
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] [SERVICE]"
FLAGS = ("schema", "import_root", "json", "connect_timeout")
ABOUT = """\
List the services of a schema, or the methods of SERVICE. Without -s the
schema is the newest containerd, or the newest vendored release that has
SERVICE. SERVICE may be short (Task) where it can only mean one.

With an ADDRESS it is checked that somebody listens there; the peer is not
asked what it serves."""


def run(options: Options) -> int:
    """Print one name a line, sorted, or the JSON of the same."""
    address, name = address_and_symbol("list", options.arguments)
    peer.check(address, options)
    if name is None:
        _list_services(options, address)
    else:
        _list_methods(options, address, name)
    return SUCCESS


def _list_services(options: Options, address: str | None) -> None:
    found: dict[str, tuple[Schema, Service]] = {}
    for schema in sources.given_or_newest(options):
        sources.explain(options, schema)
        peer.say_unasked(address, schema, options)
        for service in schema.services():
            found.setdefault(service.name, (schema, service))
    names = sorted(found)
    if options.json:
        data(_json([_service_json(*found[name]) for name in names]))
    else:
        _print_names(names, "(No services)")


def _list_methods(options: Options, address: str | None, name: str) -> None:
    schema, service = sources.search(options, sources.SERVICE, name.removeprefix("."))
    sources.explain(options, schema, service.name)
    peer.say_unasked(address, schema, options)
    if options.json:
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
