"""Annotations broken into lines where they are too long, as ruff breaks them."""

from __future__ import annotations

__all__ = ["WIDTH", "alone", "argument", "result"]

WIDTH = 88  # columns, ruff's own default

# ``depth`` is that of the classes around: what is rendered here gets four columns for each of them.


def argument(name: str, annotation: str, indent: int, end: str, depth: int = 0) -> str:
    """``name: annotation`` and what ends it; a union is broken at its bars."""
    space = " " * indent
    line = f"{space}{name}: {annotation}{end}"
    if len(line) + 4 * depth <= WIDTH:
        return line
    parts = _split(annotation, "|")
    if len(parts) == 1:
        return f"{space}{name}: {_fitted(annotation, indent, len(name) + 2, len(end), depth)}{end}"
    taken = [len(name) + 2, *[2] * (len(parts) - 1)]
    after = [*[0] * (len(parts) - 1), len(end)]
    lines = [
        _fitted(part, indent, before, behind, depth)
        for part, before, behind in zip(parts, taken, after, strict=True)
    ]
    return f"{space}{name}: " + f"\n{space}| ".join(lines) + end


def alone(name: str, annotation: str, indent: int, depth: int = 0) -> str:
    """An annotation that stands alone; a union goes into parentheses."""
    space = " " * indent
    return f"{space}{name}: {_enclosed(annotation, indent, len(name) + 2, 0, depth)}"


def result(annotation: str, indent: int, end: str, depth: int = 0) -> str:
    """``) -> annotation`` below a function's arguments, and what ends it."""
    space = " " * indent
    return f"{space}) -> {_enclosed(annotation, indent, 5, len(end), depth)}{end}"


def _enclosed(annotation: str, indent: int, before: int, behind: int, depth: int) -> str:
    if indent + before + len(annotation) + behind + 4 * depth <= WIDTH:
        return annotation
    parts = _split(annotation, "|")
    if len(parts) == 1:
        return _fitted(annotation, indent, before, behind, depth)
    space = " " * indent
    return f"(\n{space}    {_inside(annotation, indent + 4, depth)}\n{space})"


def _inside(annotation: str, indent: int, depth: int) -> str:
    """What is within brackets, on lines of its own."""
    if indent + len(annotation) + 4 * depth <= WIDTH:
        return annotation
    space = " " * indent
    arguments = _split(annotation, ",")
    if len(arguments) > 1:
        return f"\n{space}".join(f"{_inside(one, indent, depth)}," for one in arguments)
    parts = [_fitted(one, indent, 2, 0, depth) for one in _split(annotation, "|")]
    return f"\n{space}| ".join(parts)


def _fitted(annotation: str, indent: int, before: int, behind: int, depth: int) -> str:
    """A type that is no union; what is in its brackets goes below where it does not fit."""
    fits = indent + before + len(annotation) + behind + 4 * depth <= WIDTH
    if fits or not annotation.endswith("]"):
        return annotation
    head, _, inner = annotation[:-1].partition("[")
    space = " " * indent
    return f"{head}[\n{space}    {_inside(inner, indent + 4, depth)}\n{space}]"


def _split(annotation: str, mark: str) -> list[str]:
    """The parts between marks, but for those within brackets."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(annotation):
        depth += (character == "[") - (character == "]")
        if character == mark and not depth:
            parts.append(annotation[start:index].strip())
            start = index + 1
    return [*parts, annotation[start:].strip()]
