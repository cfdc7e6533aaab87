"""``ttrpc describe``: a symbol as ``.proto`` source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli.arguments import address_and_symbol
from toolkit.cli.errors import SUCCESS, CommandError, UsageError
from toolkit.cli.output import data
from toolkit.cli.sources import SYMBOL, Sources
from toolkit.cli.target import at

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] [SYMBOL]"
FLAGS = (
    "schema",
    "import_root",
    "json",
    "msg_template",
    "compare",
    "connect_timeout",
    "no_probe",
)
ABOUT = """\
Describe SYMBOL as .proto source: a service, method, message, field, oneof,
enum, enum value or extension; without SYMBOL, every service. --msg-template
adds JSON to fill in, ready for `ttrpc call -d`; alone it comes out of
`--msg-template --json | jq .template`. Without -s the schema is the newest
vendored release that has SYMBOL, which may be short (StateRequest) where it
can only mean one.

With an ADDRESS the schema is the peer's own, found as `ttrpc list` does, and
--compare containerd@1.6 prints how it differs from that release, or that it
does not; --compare auto finds the lines that are most alike."""


def run(options: Options) -> int:
    """Print ``X is a message:`` and its source, or the JSON of its descriptor."""
    address, name = address_and_symbol("describe", options.arguments)
    if options.compare is not None and options.msg_template:
        raise UsageError("--compare compares, and prints no template: leave out one of the two")
    with at(address, options) as peer:
        sources = Sources(options, peer)
        found = _all_services(sources) if name is None else [_find(sources, name)]
        for schema in dict.fromkeys(schema for schema, _ in found):
            sources.note_origin(schema)
        if options.compare is not None:
            from toolkit.cli.comparing import compare

            compare(sources, found, symbol=name is not None)
            return SUCCESS
    if options.json:
        data(_as_json(found, options, many=name is None))
    else:
        data("\n\n".join(_as_text(*item, options) for item in found))
    return SUCCESS


def _find(sources: Sources, name: str) -> tuple[Schema, Any]:
    from toolkit.cli.symbols import name_of

    symbol = name.lstrip("./").replace("/", ".")
    schema, descriptor = sources.search(SYMBOL, symbol)
    sources.explain(schema, name_of(descriptor))
    return schema, descriptor


def _all_services(sources: Sources) -> list[tuple[Schema, Any]]:
    found: dict[str, tuple[Schema, Any]] = {}
    for schema in sources.offered():
        sources.explain(schema)
        for service in filter(lambda one: sources.may_serve(one.name), schema.services()):
            found.setdefault(service.name, (schema, service.descriptor))
    return list(found.values())


def _as_text(schema: Schema, descriptor: Any, options: Options) -> str:
    from toolkit.cli.symbols import kind_of, name_of
    from toolkit.schema.printing import print_symbol
    from toolkit.schema.saying import said_elsewhere

    name = name_of(descriptor)
    source = print_symbol(schema, descriptor, said_elsewhere(schema, name)).rstrip("\n")
    text = f"{name} is {kind_of(descriptor)}:\n{source}"
    if options.msg_template:
        text += f"\n\nMessage template:\n{_template(descriptor)}"
    return text


def _template(descriptor: Any) -> str:
    from toolkit.cli.symbols import message_of, name_of
    from toolkit.cli.template import template

    message = message_of(descriptor)
    if message is None:
        raise CommandError(
            f"{name_of(descriptor)} has no template: --msg-template wants a message or a method"
        )
    return template(message)


def _as_json(found: list[tuple[Schema, Any]], options: Options, *, many: bool) -> str:
    import json

    values = [_symbol_json(schema, descriptor, options) for schema, descriptor in found]
    return json.dumps(values if many else values[0], indent=2, ensure_ascii=False)


def _symbol_json(schema: Schema, descriptor: Any, options: Options) -> dict[str, Any]:
    import json

    from toolkit.cli.symbols import symbol_json

    value = symbol_json(schema, descriptor)
    if options.msg_template:
        value["template"] = json.loads(_template(descriptor))
    return value
