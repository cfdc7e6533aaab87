"""Rendering a package: its plain data through the templates, into files by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.codegen.checking import SYMBOLS_FILE
from toolkit.codegen.names import docstring
from toolkit.errors import SchemaError
from toolkit.resources import data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2 import Environment

    from toolkit.codegen.model import Field, Method, Package

__all__ = ["render", "template_names"]

_WIDTH = 88  # columns, as ruff formats by itself


def template_names(folders: Sequence[Path] = ()) -> list[str]:
    """The templates, each by the name under which a folder of one's own can have another.

    Args:
        folders: that are looked through before the package's.
    """
    return _environment(folders).list_templates(extensions=["jinja"])


def render(package: Package, folders: Sequence[Path] = ()) -> dict[str, str]:
    """The files of a package, by name; the same data gives the same files.

    Args:
        package: what to render.
        folders: of templates that come before the package's own.

    Raises:
        SchemaError: a template cannot be rendered; the text says which, and where.
    """
    from jinja2 import TemplateError

    environment = _environment(folders)
    files: dict[str, tuple[str, dict[str, object]]] = {
        "__init__.py": ("__init__.py.jinja", {"package": package}),
        "_schema.py": ("_schema.py.jinja", {"package": package}),
    }
    for module in package.modules:
        given: dict[str, object] = {"package": package, "module": module}
        files[f"{module.name}.py"] = ("module.py.jinja", given)
        files[f"{module.name}.pyi"] = ("module.pyi.jinja", given)
    try:
        rendered = {
            name: _tidy(environment.get_template(template).render(**values))
            for name, (template, values) in files.items()
        }
    except TemplateError as exc:
        place = f"{getattr(exc, 'filename', None) or 'a template'}:{getattr(exc, 'lineno', '?')}"
        raise SchemaError(f"{place}: {exc.message or type(exc).__name__}") from exc
    return {**rendered, "py.typed": "", SYMBOLS_FILE: package.symbols}


def _environment(folders: Sequence[Path]) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # What is rendered is Python, not HTML; the filters see to it that no text becomes code.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader([*folders, data_dir("templates")]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "bound": _bound,
        "client_result": _client_result,
        "comment": _comment,
        "docstring": docstring,
        "field": _field,
        "getter": _getter,
        "handler_argument": _handler_argument,
        "handler_result": _handler_result,
        "imported": _imported,
        "literal": _literal,
        "quoted": _quoted,
        "setter": _setter,
        "typed": _typed,
    }
    return environment


def _tidy(text: str) -> str:
    """No more than one blank line in a row, and none at the end."""
    lines: list[str] = []
    for line in text.split("\n"):
        plain = line.rstrip()
        if plain or (lines and lines[-1]):
            lines.append(plain)
    return "\n".join(lines).strip("\n") + "\n"


def _quoted(text: str) -> str:
    import json

    return json.dumps(text)  # its escapes are Python's


def _comment(text: str) -> str:
    """Text within a docstring."""
    return docstring(text, 0)[3:-3].strip() if text else ""


def _literal(
    texts: Sequence[str], words: Mapping[str, str], indent: int, *, or_none: bool = False
) -> str:
    """The type of some texts, one below the other if they are many; with None, if wanted."""
    if not texts:
        return words["Never"]
    if len(texts) == 1:  # a comma behind the only one would stay in the line
        found = f"{words['Literal']}[{_quoted(texts[0])}]"
    else:
        space = " " * indent
        below = "".join(f"{space}    {_quoted(text)},\n" for text in texts)
        none = f"{space}    None,\n" if or_none else ""
        return f"{words['Literal']}[\n{below}{none}{space}]"
    return f"{found} | None" if or_none else found


def _imported(names: Sequence[str], module: str) -> str:
    """``from module import names``, below each other where they do not fit in one line."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _typed(name: str, annotation: str, indent: int, end: str = "") -> str:
    """``name: annotation`` with what ends it, broken as ruff does where it is too long."""
    space = " " * indent
    line = f"{space}{name}: {annotation}{end}"
    parts = _union(annotation)
    if len(line) <= _WIDTH or len(parts) == 1:
        return line
    first, *rest = parts
    if len(f"{space}{name}: {first}") > _WIDTH and first.endswith("]"):
        head, _, inner = first[:-1].partition("[")
        first = f"{head}[\n{space}    {inner}\n{space}]"
    return f"{space}{name}: " + f"\n{space}| ".join([first, *rest]) + end


def _field(name: str, annotation: str, indent: int) -> str:
    """An annotation that stands alone; a union that is too long goes into parentheses."""
    space = " " * indent
    line = f"{space}{name}: {annotation}"
    parts = _union(annotation)
    if len(line) <= _WIDTH or len(parts) == 1:
        return line
    inner = f"{space}    {annotation}"
    if len(inner) > _WIDTH:
        inner = f"{space}    " + f"\n{space}    | ".join(parts)
    return f"{space}{name}: (\n{inner}\n{space})"


def _union(annotation: str) -> list[str]:
    """The members of a union, without those within brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(annotation):
        depth += (character == "[") - (character == "]")
        if character == "|" and not depth:
            parts.append(annotation[start : index - 1])
            start = index + 2
    return [*parts, annotation[start:]]


def _bound(name: str, function: str, *arguments: str) -> str:
    """``name = function("argument", ...)``, in one line if it fits."""
    given = ", ".join(map(_quoted, arguments))
    line = f"{name} = {function}({given})"
    if len(line) <= _WIDTH:
        return line
    if len(given) + 4 > _WIDTH and len(arguments) > 1:
        given = ",\n    ".join(map(_quoted, arguments)) + ","
    return f"{name} = {function}(\n    {given}\n)"


def _getter(field: Field, indent: int) -> str:
    return _def(indent, field.name, ["self"], field.getter, docs=field.docs)


def _setter(field: Field, indent: int) -> str:
    return _def(indent, field.name, ["self", f"value: {field.setter}"], "None")


def _def(indent: int, name: str, arguments: Sequence[str], result: str, *, docs: str = "") -> str:
    """The head of a function in one line, or with its arguments below each other."""
    space = " " * indent
    end = f"\n{space}    {docstring(docs, indent + 4)}" if docs else " ..."
    line = f"{space}def {name}({', '.join(arguments)}) -> {result}:"
    if len(line) + (0 if docs else 4) <= _WIDTH:
        return line + end
    below = "".join(f"{space}    {argument},\n" for argument in arguments)
    return f"{space}def {name}(\n{below}{space}) -> {result}:{end}"


def _client_result(method: Method, words: Mapping[str, str], is_async: bool) -> str:  # noqa: FBT001
    kind = "Async" if is_async else ""
    match method.client_streaming, method.server_streaming:
        case False, False:
            plain = method.reply
            any_ = words["Any"]
            return f"{words['Coroutine']}[{any_}, {any_}, {plain}]" if is_async else plain
        case False, True:
            stream = f"{words[f'{kind}Replies']}[{method.reply}]"
        case True, False:
            stream = f"{words[f'{kind}Requests']}[{method.given}, {method.reply}]"
        case _:
            stream = f"{words[f'{kind}Bidi']}[{method.given}, {method.reply}]"
    return f"{words['Opening']}[{stream}]" if is_async else stream


def _handler_argument(method: Method, words: Mapping[str, str], is_async: bool) -> str:  # noqa: FBT001
    if not method.client_streaming:
        return f"request: {method.request}"
    kind = words["AsyncIterator" if is_async else "Iterator"]
    return f"requests: {kind}[{method.request}]"


def _handler_result(method: Method, words: Mapping[str, str], is_async: bool) -> str:  # noqa: FBT001
    if not method.server_streaming:
        return f"{method.answer} | None"
    kind: Any = words["AsyncIterator" if is_async else "Iterator"]
    return f"{kind}[{method.answer}]"
