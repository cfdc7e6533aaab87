"""The files of a line as text: in our printer's layout, with the source's comments or our words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.schema.printing import Printer
from toolkit.schema.protofiles import is_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from toolkit.schema.history import History
    from toolkit.schema.pool import Schema
    from toolkit.schema.releases import Release

__all__ = ["described", "header", "texts"]

_OWN = "toolkit/"  # files of ours that extend what is vendored beside them
_OWN_COMMENTS = "The interface as declared there; layout and comments are ttrpc-toolkit's own."
_THEIR_COMMENTS = "The interface and comments as found there; the layout is ttrpc-toolkit's own."
_SYNTAX = (12,)  # the path of the syntax statement, below which a file's first comments are kept


def texts(
    schema: Schema, release: Release, *, words: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The source of every file but the engine's own, by name.

    Args:
        schema: what to print.
        release: what the header says it is.
        words: comments by full name that stand instead of the source's own; None keeps those.
    """
    files = schema.file_protos()
    printer = Printer(files, schema.pool)
    for file in files:
        if words is None:
            _without_header(file)
        else:
            file.ClearField("source_code_info")
    own = words is not None
    return {
        file.name: printer.file(file, header=header(release, file.name, own=own), docs=words)
        for file in files
        if not is_engine(file.name)
    }


def header(release: Release, name: str, *, own: bool = True) -> list[str]:
    """The comment at the top of a vendored file: where its interface comes from.

    Args:
        release: the line that it is part of.
        name: the file's name.
        own: whether its comments are our words.
    """
    if name.startswith(_OWN):
        return ["An interface of ttrpc-toolkit's own."]
    place = "branch" if release.tag == "main" else "tag"
    source = f"{place} {release.tag}" if release.tag else "an unknown tag"
    if release.tag:
        source += f", commit {release.commit or 'not known'}"
    lines = [f"{release.project} {release.line}: {source}"]
    if release.repository:
        lines[-1] += ","
        lines.append(f"of {release.repository}.")
    # What people type may not become source: a comment ends with its line.
    lines = [" ".join(line.split()) for line in lines]
    return [*lines, _OWN_COMMENTS if own else _THEIR_COMMENTS]


def _without_header(file: FileDescriptorProto) -> None:
    """Drop the header that an earlier sync has put there, so that headers do not pile up."""
    for location in file.source_code_info.location:
        if tuple(location.path) == _SYNTAX:
            kept = [
                text
                for text in location.leading_detached_comments
                if _OWN_COMMENTS not in text and _THEIR_COMMENTS not in text
            ]
            del location.leading_detached_comments[:]
            location.leading_detached_comments.extend(kept)


def described(schema: Schema, words: Mapping[str, str], lines: History) -> dict[str, str]:
    """What is said of each symbol of a schema: our words, and since when its project has it.

    The history of what declares a symbol goes for the symbol too, and is not said again.
    """
    found: dict[str, str] = {}
    for symbol in schema.symbols():
        said = [words[symbol]] if symbol in words else []
        span = lines.span(symbol)
        if span is not None and span != lines.span(symbol.rpartition(".")[0]):
            text = ", ".join(span.facts)
            said += [f"{text[0].upper()}{text[1:]}."] if text else []
        if said:
            found[symbol] = "\n".join(said)
    return found
