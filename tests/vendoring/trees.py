"""Small upstream trees, and what is in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.schema.load import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FILES", "everything", "own_files", "plant"]

FILES = {
    "api/one/one.proto": """\
        syntax = "proto3";
        package mine.one;
        import "example.com/mine/api/two/two.proto";
        // What a caller sees first.
        service Greeter { rpc Greet(Hello) returns (two.Word); }
        message Hello {
          string name = 1;  // What follows a field.
        }
        """,
    "api/two/two.proto": 'syntax = "proto3"; package mine.two; message Word { string text = 1; }\n',
}


def plant(folder: Path, files: Mapping[str, str] = FILES) -> Path:
    """Write a tree of files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def own_files(release: str, *, without: str = "", below: str = "") -> dict[str, str]:
    """The files of one of our own lines, moved as another layout has them."""
    found = load(release).release
    assert found is not None
    return {
        below + path.relative_to(found.root).as_posix().removeprefix(without): path.read_text()
        for path in sorted(found.root.rglob("*.proto"))
    }


def everything(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder, but for the lock."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }
