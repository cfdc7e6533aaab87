"""What goes out with a call: the messages of ``-d`` and the metadata of ``-H``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from toolkit.cli.errors import CommandError, UsageError

if TYPE_CHECKING:
    import json
    from collections.abc import Sequence

    from toolkit.cli.arguments import Options
    from toolkit.schema.method import Method

__all__ = ["data_of", "documents", "id_in_place", "metadata", "one_document"]

_BESIDE = 35  # characters that an error shows to either side of the place
_NAMESPACE = "containerd-namespace-ttrpc"  # containerd pkg/namespaces/ttrpc.go


def data_of(options: Options) -> list[str]:
    """The JSON of each message in the data; they stand one after another."""
    return documents(_text(options.data))


def one_document(found: Sequence[str], method: str) -> str:
    """Of the data, the one message that a unary method takes; ``{}`` when there is none."""
    if len(found) > 1:
        raise CommandError(f"{method} takes one message; the data holds {len(found)}")
    return found[0] if found else "{}"


def id_in_place(options: Options, method: Method, id: str) -> str:
    """The request of a method that was given none and has a field ``id``: that of the shim."""
    from google.protobuf.descriptor import FieldDescriptor

    field = method.descriptor.input_type.fields_by_name.get("id")
    if options.data is not None or field is None or field.type != FieldDescriptor.TYPE_STRING:
        return ""
    import json

    return json.dumps({"id": id})


def _text(data: str | None) -> str:
    """The data of ``-d``: itself, a file's or stdin's."""
    if data is None or not data.startswith("@"):
        return data or ""
    if data[1:] in {"", "-"} and sys.stdin is None:
        raise CommandError("cannot read stdin: it is closed")
    try:
        return _read(data[1:]).decode("utf-8-sig")
    except OSError as exc:
        raise CommandError(f"cannot read {data[1:]}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise CommandError(f"{data[1:] or 'stdin'} is not UTF-8: {exc.reason}") from exc


def _read(name: str) -> bytes:
    if name in {"", "-"}:
        return sys.stdin.buffer.read()
    from pathlib import Path

    return Path(name).read_bytes()


def documents(text: str) -> list[str]:
    """The JSON values in ``text``, one after another with any white space between them."""
    import json  # the schema's JSON layer needs it too; `--help` does not

    decode = json.JSONDecoder().raw_decode
    found: list[str] = []
    start = _skip(text, 0)
    while start < len(text):
        try:
            _, end = decode(text, start)
        except json.JSONDecodeError as exc:
            raise CommandError(f"the data is no JSON: {_place(exc, text)}") from exc
        except RecursionError as exc:
            raise CommandError("the data is nested too deep to be read") from exc
        except ValueError as exc:  # a number of thousands of digits
            raise CommandError(f"the data cannot be read: {exc}") from exc
        found.append(text[start:end])
        start = _skip(text, end)
    return found


def _place(error: json.JSONDecodeError, text: str) -> str:
    """What is wrong, where, and that line with a mark below; or what was meant instead."""
    if text == "-":
        return "- stands for nothing here; @ or @- is stdin"
    line, column = text.splitlines()[error.lineno - 1 :][:1], error.colno - 1
    shown = line[0] if line else ""
    start = max(column - _BESIDE, 0)
    part = shown[start : column + _BESIDE].replace("\t", " ")
    where = f"{error.msg} at line {error.lineno}, column {error.colno}"
    return f"{where}\n  {part}\n  {' ' * (column - start)}^"


def _skip(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def metadata(options: Options, *, namespace: str = "") -> dict[str, list[str]]:
    """The metadata of ``-H`` and ``-n``: keys in lower case, the values of a key in order.

    Args:
        options: of the command.
        namespace: of the shim that the address names, where neither of them says another.

    Raises:
        UsageError: a header without a colon, or without a proper key; an empty namespace, or one
            that is given by a header too.
    """
    found: dict[str, list[str]] = {}
    for header in options.header:
        key, colon, value = header.partition(":")
        key = key.strip().lower()
        if not colon or not key:
            raise UsageError(f"-H wants 'key: value', not {header!r}")
        if not key.isprintable() or " " in key or not value.isprintable():
            raise UsageError(f"-H wants a key without spaces and one line of text, not {header!r}")
        found.setdefault(key, []).append(value.strip())
    if options.namespace is None:
        if namespace:
            found.setdefault(_NAMESPACE, [namespace])
        return found
    if not options.namespace.isprintable():
        raise UsageError(f"-n wants a namespace, not {options.namespace!r}")
    if not options.namespace:
        raise UsageError("-n wants a namespace, and it is empty; is it a variable that is not set?")
    if _NAMESPACE in found:
        raise UsageError(f"-n and -H '{_NAMESPACE}: ...' both give the namespace")
    return found | {_NAMESPACE: [options.namespace]}
