"""The comments of a file's declarations: its own, from source info, or given by symbol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.schema.symbols import comment_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

__all__ = ["Comment", "Comments", "Path", "comment_lines"]

Path = tuple[int, ...]  # field numbers and indexes from FileDescriptorProto down, as in source info


class Comment(NamedTuple):
    """What stands around one declaration, each as the text without the slashes."""

    detached: tuple[str, ...] = ()
    leading: str = ""
    trailing: str = ""


class Comments:
    """Looks up the comment and the place of a declaration by its path.

    ``docs`` (full name to text) stands in for the leading comment of the symbols that it has;
    without ``detached``, comments that belong to no declaration are left out.
    """

    def __init__(
        self,
        file: FileDescriptorProto,
        docs: Mapping[str, str] | None = None,
        *,
        detached: bool = True,
    ) -> None:
        self._docs = docs if docs is not None else {}
        self._comments: dict[Path, Comment] = {}
        self._starts: dict[Path, tuple[int, ...]] = {}
        for location in file.source_code_info.location:
            path = tuple(location.path)
            # A path that comes twice is a block in several parts (extend, reserved); the first
            # one stands for all.
            self._starts.setdefault(path, tuple(location.span[:2]))
            comment = Comment(
                tuple(map(comment_text, location.leading_detached_comments)) if detached else (),
                comment_text(location.leading_comments),
                comment_text(location.trailing_comments),
            )
            if any(comment):
                self._comments.setdefault(path, comment)

    def find(self, path: Path, full_name: str = "") -> Comment:
        """The comment at a path; empty when there is none."""
        comment = self._comments.get(path, Comment())
        text = self._docs.get(full_name)
        return comment if text is None else comment._replace(leading=text)

    def start(self, path: Path) -> tuple[int, ...] | None:
        """The line and column where a declaration begins, where the source is known."""
        return self._starts.get(path)


def comment_lines(text: str) -> list[str]:
    """A comment's text as ``//`` lines."""
    lines = [_printable(line.rstrip()) for line in text.rstrip().split("\n")]
    if any(line and not line.startswith(" ") for line in lines):
        lines = [f" {line}" if line else "" for line in lines]
    return [f"//{line}" for line in lines]


def _printable(line: str) -> str:
    # protoc ends a comment at a NUL; in a hostile descriptor the rest would become source.
    return "".join(char if char >= " " or char == "\t" else "\ufffd" for char in line)
