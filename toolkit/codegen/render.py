"""Rendering a package: its plain data through the templates, into files by name."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from toolkit.codegen import layout
from toolkit.codegen.checking import SYMBOLS_FILE
from toolkit.codegen.layout import WIDTH
from toolkit.codegen.names import docstring
from toolkit.errors import SchemaError
from toolkit.resources import data_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from jinja2 import Environment

    from toolkit.codegen.model import Enum, Field, Method, Package

__all__ = ["render", "template_names"]


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
    except Exception as exc:  # a template may do, and fail at, whatever Python can
        raise SchemaError(f"{_place(exc)}: {_said(exc)}") from exc
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
        "class_head": _class_head,
        "client_result": _client_result,
        "comment": _comment,
        "docstring": docstring,
        "alone": layout.alone,
        "argument": layout.argument,
        "getter": _getter,
        "handler_argument": _handler_argument,
        "handler_result": _handler_result,
        "imported": _imported,
        "items": _items,
        "literal": _literal,
        "new_type": _new_type,
        "quoted": _quoted,
        "result": layout.result,
        "setter": _setter,
    }
    return environment


def _place(exc: Exception) -> str:
    """Where in a template something failed."""
    named, line = getattr(exc, "filename", None), getattr(exc, "lineno", None)
    if named and line:
        return f"{named}:{line}"
    # Jinja sees to it that tracebacks show the template's own lines.
    frames = traceback.extract_tb(exc.__traceback__)
    inner = next((one for one in reversed(frames) if one.filename.endswith(".jinja")), None)
    return f"{inner.filename}:{inner.lineno}" if inner is not None else "a template"


def _said(exc: Exception) -> str:
    text = getattr(exc, "message", None) or str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__


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


def _items(enum: Enum) -> str:
    words = enum.words
    return f"{words['list']}[{words['tuple']}[{words['str']}, {enum.value}]]"


def _class_head(name: str, base: str) -> str:
    line = f"class {name}({base}):"
    return line if len(line) <= WIDTH else f"class {name}(\n    {base}\n):"


def _new_type(name: str, words: Mapping[str, str]) -> str:
    call, given = words["NewType"], f'"{name}", {words["int"]}'
    line = f"{name} = {call}({given})"
    return line if len(line) <= WIDTH else f"{name} = {call}(\n    {given}\n)"


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
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _bound(name: str, function: str, *arguments: str) -> str:
    """``name = function("argument", ...)``, in one line if it fits."""
    given = ", ".join(map(_quoted, arguments))
    line = f"{name} = {function}({given})"
    if len(line) <= WIDTH:
        return line
    if len(given) + 4 > WIDTH and len(arguments) > 1:
        given = ",\n    ".join(map(_quoted, arguments)) + ","
    return f"{name} = {function}(\n    {given}\n)"


def _getter(field: Field, depth: int) -> str:
    return _def(field.name, ["self"], field.getter, depth=depth, docs=field.docs)


def _setter(field: Field, depth: int) -> str:
    return _def(field.name, ["self", f"value: {field.setter}"], "None", depth=depth)


def _def(name: str, arguments: Sequence[str], result: str, *, depth: int, docs: str = "") -> str:
    """The head of a method in one line, or with its arguments below each other."""
    indent = 4
    space = " " * indent
    end = f"\n{space}    {docstring(docs, indent + 4)}" if docs else " ..."
    line = f"{space}def {name}({', '.join(arguments)}) -> {result}:"
    if len(line) + (0 if docs else 4) + 4 * depth <= WIDTH:
        return line + end
    below = "".join(f"{_below(one, indent + 4, depth)}\n" for one in arguments)
    return f"{space}def {name}(\n{below}{layout.result(result, indent, ':', depth)}{end}"


def _below(given: str, indent: int, depth: int) -> str:
    """One argument on a line of its own."""
    name, colon, annotation = given.partition(": ")
    return (
        layout.argument(name, annotation, indent, ",", depth)
        if colon
        else f"{' ' * indent}{given},"
    )


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
        return layout.argument("request", method.request, 8, ",")
    kind = words["AsyncIterator" if is_async else "Iterator"]
    return layout.argument("requests", f"{kind}[{method.request}]", 8, ",")


def _handler_result(method: Method, words: Mapping[str, str], is_async: bool) -> str:  # noqa: FBT001
    if not method.server_streaming:
        return f"{method.answer} | None"
    kind: Any = words["AsyncIterator" if is_async else "Iterator"]
    return f"{kind}[{method.answer}]"
