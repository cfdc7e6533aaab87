"""How printed declarations follow one another: their order, and the blank lines between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.schema.printing.comments import comment_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from toolkit.schema.printing.comments import Comment

__all__ = ["WIDTH", "Block", "arrange", "braces", "joined", "statement"]

WIDTH = 100  # columns; a line is broken where it would be longer


class Block(NamedTuple):
    """One printed declaration with its comments.

    Attributes:
        lines: its text.
        apart: whether a blank line belongs on either side.
        start: where it began in the source, where that is known.
        types: the nested types that it declares on the way, as a map or a group field does.
        numbers: whether it only gives numbers away (reserved, extensions); those stand together.
    """

    lines: list[str]
    apart: bool = False
    start: tuple[int, ...] | None = None
    types: frozenset[str] = frozenset()
    numbers: bool = False


def statement(text: Sequence[str], comment: Comment) -> list[str]:
    """A declaration that ends in a semicolon, with its comments."""
    lines = [*_before(comment), *text]
    if not comment.trailing:
        return lines
    trailing = comment_lines(comment.trailing)
    if len(trailing) == 1 and len(lines[-1]) + len(trailing[0]) + 2 <= WIDTH:
        lines[-1] += f"  {trailing[0]}"
        return lines
    return lines + trailing


def braces(head: Sequence[str], body: Sequence[str], comment: Comment) -> list[str]:
    """A declaration with a body in braces, with its comments."""
    lines = list(body)
    if comment.trailing:
        # A blank line after it keeps it from being the comment of what follows.
        lines = comment_lines(comment.trailing) + ([""] if lines else []) + lines
    *first, last = head
    opened = [*_before(comment), *first]
    if not lines:
        return [*opened, f"{last} {{}}"]
    return [*opened, f"{last} {{", *(f"  {line}" if line else "" for line in lines), "}"]


def arrange(
    first: Sequence[Block],
    streams: Sequence[Sequence[Block]],
    types: Sequence[tuple[str, Block | None]],
) -> list[Block]:
    """The declarations of one body, in the order of the source, or in one that compiles the same.

    Args:
        first: those that may stand anywhere; they come first.
        streams: fields and extensions, whose order among themselves counts.
        types: nested messages by name, whose order counts too; None for one that a block of a
            stream declares (a map entry, a group), which so fixes how far that stream has come.
    """
    own = [block for _, block in types if block is not None]
    known = [*first, *(block for stream in streams for block in stream), *own]
    if all(block.start for block in known):
        return sorted(known, key=lambda block: block.start or ())
    arranged = list(first)
    waiting = [list(stream) for stream in streams]
    for name, block in types:
        if block is not None:
            arranged.append(block)
        for stream in waiting:
            while any(name in block.types for block in stream):
                arranged.append(stream.pop(0))
    return arranged + [block for stream in waiting for block in stream]


def joined(blocks: Iterable[Block], *, spread: bool) -> list[str]:
    """The lines of all blocks; ``spread`` puts blank lines around those that want them."""
    lines: list[str] = []
    previous = None
    for block in blocks:
        if previous is not None and _are_apart(previous, block, spread=spread):
            lines.append("")
        lines += block.lines
        previous = block
    return lines


def _are_apart(before: Block, after: Block, *, spread: bool) -> bool:
    if not spread or (before.numbers and after.numbers):
        return after.lines[0].startswith("//")
    return before.apart or after.apart


def _before(comment: Comment) -> list[str]:
    lines: list[str] = []
    for text in comment.detached:
        lines += [*comment_lines(text), ""]
    return lines + (comment_lines(comment.leading) if comment.leading.strip() else [])
