"""The grammar: the verbs, the flags that they share, and one command line taken apart."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NoReturn

from toolkit.cli.address import is_address, is_there
from toolkit.cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["VERBS", "Options", "address_and_symbol", "columns", "parse", "split_verb"]

VERBS = {
    "releases": "the vendored releases: name, tag, commit",
    "list": "services, or the methods of one service",
    "describe": "a service, method, message, enum or field, as .proto source",
    "call": "call a method and print the reply as JSON",
    "ps": "the shims of this host, and whether each answers",
    "doctor": "what is wrong with a shim, and what to try",
    "codegen": "write typed Python modules for a schema",
    "export": "write a schema as .proto files or as a descriptor set",
    "serve": "run the demo server: a Task service over plain host processes",
    "vendor": "add a release of your own, remove it, or verify all",
}


class Options(argparse.Namespace):
    """What a command line says; each verb fills the part that it takes."""

    arguments: list[str]
    check: bool
    commit: str | None
    compare: str | None
    connect_timeout: float
    data: str | None
    descriptor_set: str | None
    emit_defaults: bool
    header: list[str]
    import_root: list[str]
    json: bool
    list_templates: bool
    max_time: float | None = None
    msg_template: bool
    namespace: str | None
    no_probe: bool
    out: str | None
    proto_dir: str | None
    schema: list[str]
    service: list[str]
    tag: str | None
    templates: list[str]
    vendor: list[str]
    verbose: bool


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"wants a number of seconds above 0, not {text!r}")
    return seconds


class _Once(argparse.Action):
    """A flag whose second value would silently win over the first."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        if getattr(namespace, self.dest) is not None:
            parser.error(f"{option_string} is given twice")
        setattr(namespace, self.dest, values)


# Every flag of every verb: a name means the same wherever it is taken.
_FLAGS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "schema": (
        ("-s", "--schema"),
        {
            "action": "append",
            "default": [],
            "metavar": "SCHEMA",
            "help": "a release (containerd@2.3), a .proto file, a directory of them, a "
            "descriptor set, binary:PATH, pid:N or grpc:ADDRESS; of the server at ADDRESS, peer "
            "(its binary), reflect or reflect-stream; repeatable, the earlier wins",
        },
    ),
    "import_root": (
        ("-I", "--import-root"),
        {
            "action": "append",
            "default": [],
            "metavar": "DIR",
            "help": "where imports of .proto files begin; repeatable",
        },
    ),
    "vendor": (
        ("--vendor",),
        {
            "action": "append",
            "default": [],
            "metavar": "DIR",
            "help": "look for releases here first (also TTRPC_VENDOR); repeatable",
        },
    ),
    "json": (("--json",), {"action": "store_true", "help": "print JSON"}),
    "msg_template": (
        ("--msg-template",),
        {"action": "store_true", "help": "also print JSON to fill in, for a message or a method"},
    ),
    "data": (
        ("-d", "--data"),
        {
            "action": _Once,
            "metavar": "DATA",
            "help": "the request: JSON, @FILE, or @ for stdin; without it, an empty message",
        },
    ),
    "header": (
        ("-H", "--header"),
        {
            "action": "append",
            "default": [],
            "metavar": "'KEY: VALUE'",
            "help": "metadata to send; repeatable, also with the same key",
        },
    ),
    "namespace": (
        ("-n", "--namespace"),
        {
            "action": _Once,
            "metavar": "NAMESPACE",
            "help": "containerd's namespace, sent as containerd-namespace-ttrpc",
        },
    ),
    "max_time": (
        ("--max-time",),
        {
            "action": _Once,
            "type": _seconds,
            "metavar": "SECONDS",
            "help": "the call's deadline; there is none by default, since a call such as Wait "
            "may take days",
        },
    ),
    "connect_timeout": (
        ("--connect-timeout",),
        {
            "type": _seconds,
            "default": 10.0,
            "metavar": "SECONDS",
            "help": "how long connecting may take (default: 10)",
        },
    ),
    "emit_defaults": (
        ("--emit-defaults",),
        {"action": "store_true", "help": "print fields of the reply that have default values too"},
    ),
    "compare": (
        ("--compare",),
        {
            "action": _Once,
            "metavar": "SCHEMA",
            "help": "print how the schema differs from this one in what both have; auto takes the "
            "vendored lines that are most alike",
        },
    ),
    "no_probe": (
        ("--no-probe",),
        {
            "action": "store_true",
            "help": "do not ask a server that tells nothing which known services it has",
        },
    ),
    "out": (
        ("--out",),
        {
            "action": _Once,
            "metavar": "DIR",
            "help": "the package's folder; nothing else is written",
        },
    ),
    "service": (
        ("--service",),
        {
            "action": "append",
            "default": [],
            "metavar": "S",
            "help": "only this service, and what it needs; repeatable",
        },
    ),
    "check": (
        ("--check",),
        {
            "action": "store_true",
            "help": "write nothing; exit with 1 and a diff where DIR is stale",
        },
    ),
    "templates": (
        ("--templates",),
        {
            "action": "append",
            "default": [],
            "metavar": "DIR",
            "help": "take templates from here before the toolkit's own; repeatable",
        },
    ),
    "list_templates": (
        ("--list-templates",),
        {"action": "store_true", "help": "print the names of the templates"},
    ),
    "proto_dir": (
        ("--proto-dir",),
        {
            "action": _Once,
            "metavar": "DIR",
            "help": "write a tree of .proto files below DIR",
        },
    ),
    "descriptor_set": (
        ("--descriptor-set",),
        {
            "action": _Once,
            "metavar": "FILE",
            "help": "write a binary FileDescriptorSet; - is stdout",
        },
    ),
    "from": (
        ("--from",),
        {
            "action": _Once,
            "metavar": "SOURCE",
            "help": "a tree of .proto files, a descriptor set, an executable, an ADDRESS",
        },
    ),
    "tag": (
        ("--tag",),
        {"action": _Once, "metavar": "TAG", "help": "upstream's tag, to be recorded"},
    ),
    "commit": (
        ("--commit",),
        {"action": _Once, "metavar": "COMMIT", "help": "its commit, to be recorded"},
    ),
    "verbose": (
        ("-v", "--verbose"),
        {"action": "store_true", "help": "say on stderr what is done and why"},
    ),
}

_TAKES_VALUE = {
    word
    for words, settings in _FLAGS.values()
    if settings.get("action") != "store_true"
    for word in words
}


_WIDEST = 100  # columns; longer lines of help are hard to read


class _Formatter(argparse.RawDescriptionHelpFormatter):
    # argparse makes one for every flag, and asks shutil for the width: 2 ms of every command.
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(columns(), _WIDEST) - 2)


def columns(default: int = 80) -> int:
    """The width of the terminal; the default where stdout is none."""
    try:
        return int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        pass
    try:
        return os.get_terminal_size().columns
    except OSError:
        return default


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def split_verb(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The first word that is neither a flag nor a flag's value, and all the others in order."""
    words = iter(enumerate(argv))
    for index, word in words:
        if word in _TAKES_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word, [*argv[:index], *argv[index + 1 :]]
    return None, list(argv)


def address_and_symbol(verb: str, arguments: Sequence[str]) -> tuple[str | None, str | None]:
    """``[ADDRESS] [SYMBOL]``: two words are both, one word is whatever it looks like."""
    match arguments:
        case []:
            return None, None
        case [word]:
            return (word, None) if _is_address(word) else (None, word)
        case [address, symbol]:
            if _is_address(symbol) and not _is_address(address):
                raise UsageError(f"the address comes first: ttrpc {verb} {symbol} {address}")
            return address, symbol
        case _:
            raise UsageError(f"{verb} takes at most an ADDRESS and a name, not {arguments[2]!r}")


def _is_address(word: str) -> bool:
    return not word or is_address(word) or is_there(word)


def parse(verb: str, usage: str, flags: Iterable[str], about: str, argv: Sequence[str]) -> Options:
    """The options of ``verb``, flags and arguments in any order.

    Raises:
        UsageError: an unknown flag, a flag without its value, a value that does not fit.
        SystemExit: ``--help`` was asked for and has been printed.
    """
    parser = _Parser(
        prog=f"ttrpc {verb}",
        usage=f"ttrpc {verb} {usage}".rstrip() + " [FLAGS]",
        description=about,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    for name in (*flags, "vendor", "verbose"):
        words, settings = _FLAGS[name]
        parser.add_argument(*words, **{"dest": name, **settings})
    # Plain parse_args gives the arguments of a "*" up at the first flag between them.
    return parser.parse_intermixed_args(list(argv), namespace=Options())
