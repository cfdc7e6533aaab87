"""Names and text of a schema made safe for Python source: nothing of it can end up as code."""

from __future__ import annotations

import keyword
import re
from itertools import chain, count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Namespace", "docstring", "is_plain", "module_name", "safe"]


def is_plain(name: str) -> bool:
    """Whether Python takes a name of a schema as it is, in an attribute or a keyword."""
    return name == safe(name)


def safe(name: str) -> str:
    """A name as an identifier: ``from_`` for a keyword; what no identifier has becomes ``_``.

    Python has names such as ``__class__`` for itself, and changes ``__name`` within a class: they
    begin with one underscore here.
    """
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    if not found or found[0].isdigit():
        found = f"_{found}"
    if found.startswith("__"):
        found = f"_{found.lstrip('_')}"
    return f"{found}_" if keyword.iskeyword(found) else found


def module_name(package: str) -> str:
    """The module of a proto package: ``containerd_task_v3``; of none, ``no_package``."""
    return safe(package.replace(".", "_")) if package else "no_package"


class Namespace:
    """Names that are taken in one scope; a name that is comes out with more underscores."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def add(self, name: str) -> str:
        """A free name as much like this one as can be; it is taken then."""
        found = next(
            one for one in chain([name], (f"{name}{'_' * n}" for n in count(1)))
            if one not in self._taken
        )  # fmt: skip
        self._taken.add(found)
        return found


def docstring(text: str, indent: int) -> str:
    """Text as the docstring of what is indented so far, quotes included.

    Whatever is in the text, the result is one string literal.
    """
    lines = [_escaped(line).rstrip() for line in text.strip().splitlines()]
    if not lines:
        return ""
    if lines[-1].endswith(('"', "\\")):  # a quote there would end the string too early
        lines[-1] += " "
    if len(lines) == 1 and not lines[0].startswith('"'):
        return f'"""{lines[0]}"""'
    space = " " * indent
    body = "\n".join(f"{space}{line}".rstrip() for line in lines[1:])
    first = lines[0] if not lines[0].startswith('"') else f" {lines[0]}"
    return f'"""{first}\n{body}\n{space}"""' if len(lines) > 1 else f'"""{first}"""'


def _escaped(line: str) -> str:
    shown = line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return "".join(c if c.isprintable() or c == "\t" else _code(c) for c in shown).expandtabs(4)


def _code(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
