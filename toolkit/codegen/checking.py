"""Whether a schema still has what a generated module was made from, and if not, what is new."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.errors import SchemaError
from toolkit.schema.compare import Member, Symbol, differences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from toolkit.schema.compare import Structure
    from toolkit.schema.pool import Schema

__all__ = ["SYMBOLS_FILE", "check", "read_symbols"]

SYMBOLS_FILE = "symbols.txt"  # beside the modules: their symbols' canonical forms
_MEMBER = re.compile(r"(-?\d+) (\S+) ?(.*)")


def check(
    schema: Schema, now: Structure, module: str, symbols: Mapping[str, str], folder: Path
) -> None:
    """See that no symbol that a module leads to was removed or changed; more is fine.

    Args:
        schema: as it is now.
        now: its structure.
        module: the name of the module.
        symbols: the digest of each symbol that it leads to.
        folder: where the package's file of symbols is.

    Raises:
        SchemaError: one was.
    """
    changed = [name for name, digest in symbols.items() if _digest(now, name) != digest]
    if not changed:
        return
    path = folder / SYMBOLS_FILE
    known = read_symbols(path)
    if not known:
        raise SchemaError(
            f"{module} was generated from another {schema.name}, and {path}, by which one could"
            " tell whether it still fits, is missing; it is to be installed with the modules"
        )
    old = {name: known[name] for name in changed if name in known}
    new = {name: now[name] for name in changed if name in now}
    found = [one.text for one in differences(old, new) if one.kind != "added"]
    found += [f"{name} is another one" for name in changed if name not in known]
    if found:
        lines = "\n".join(f"  {text}" for text in found)
        raise SchemaError(
            f"{module} was generated from another {schema.name}; since then:\n{lines}\n"
            "`ttrpc codegen` makes it anew"
        )


def read_symbols(path: Path) -> Structure:
    """The symbols of a file of canonical forms; none where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return {}
    symbols = (_symbol(block) for block in text.strip().split("\n\n") if block)
    return {symbol.name: symbol for symbol in symbols}


def _digest(structure: Structure, name: str) -> str:
    symbol = structure.get(name)
    return "" if symbol is None else symbol.digest


def _symbol(block: str) -> Symbol:
    head, *lines = block.split("\n")
    kind, _, name = head.partition(" ")
    return Symbol(kind, name, tuple(_member(kind, line) for line in lines))


def _member(kind: str, line: str) -> Member:
    if kind == "service":
        name, _, signature = line.partition(" ")
        return Member(0, name, signature)
    found = _MEMBER.fullmatch(line)
    if found is None:
        raise SchemaError(f"{line!r} is no member of a symbol")
    return Member(int(found[1]), found[2], found[3])
