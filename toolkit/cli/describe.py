"""``ttrpc describe``: a symbol as ``.proto`` source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.cli import peer, sources
from toolkit.cli.arguments import address_and_symbol
from toolkit.cli.errors import SUCCESS, CommandError
from toolkit.cli.output import data

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] [SYMBOL]"
FLAGS = ("schema", "import_root", "json", "msg_template", "connect_timeout")
ABOUT = """\
Describe SYMBOL as .proto source: a service, method, message, field, oneof,
enum, enum value or extension; without SYMBOL, every service. --msg-template
adds JSON to fill in, ready for `ttrpc call -d`; alone it comes out of
`--msg-template --json | jq .template`. Without -s the schema is the newest
vendored release that has SYMBOL, which may be short (StateRequest) where it
can only mean one.

With an ADDRESS it is checked that somebody listens there; the peer is not
asked what it serves."""


def run(options: Options) -> int:
    """Print ``X is a message:`` and its source, or the JSON of its descriptor."""
    address, name = address_and_symbol("describe", options.arguments)
    peer.check(address, options)
    found = _all_services(options) if name is None else [_find(options, name)]
    for schema in dict.fromkeys(schema for schema, _ in found):
        peer.say_unasked(address, schema, options)
    if options.json:
        data(_as_json(found, options, many=name is None))
    else:
        data("\n\n".join(_as_text(*item, options) for item in found))
    return SUCCESS


def _find(options: Options, name: str) -> tuple[Schema, Any]:
    from toolkit.cli.symbols import name_of

    symbol = name.lstrip("./").replace("/", ".")
    schema, descriptor = sources.search(options, sources.SYMBOL, symbol)
    sources.explain(options, schema, name_of(descriptor))
    return schema, descriptor


def _all_services(options: Options) -> list[tuple[Schema, Any]]:
    found: dict[str, tuple[Schema, Any]] = {}
    for schema in sources.given_or_newest(options):
        for service in schema.services():
            found.setdefault(service.name, (schema, service.descriptor))
    return list(found.values())


def _as_text(schema: Schema, descriptor: Any, options: Options) -> str:
    from toolkit.cli.symbols import kind_of, name_of
    from toolkit.schema.printing import print_symbol

    source = print_symbol(schema, descriptor).rstrip("\n")
    text = f"{name_of(descriptor)} is {kind_of(descriptor)}:\n{source}"
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
