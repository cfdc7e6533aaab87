"""Of the files that a program carries, those of one project: the rest are its libraries'."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import SchemaError
from toolkit.schema.files import read_file, read_package
from toolkit.schema.protofiles import is_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["of_project"]

_SHARED = ("google", "gogoproto")  # packages that are no project's own


def of_project(files: Mapping[str, bytes], packages: Iterable[str]) -> dict[str, bytes]:
    """The files in a project's packages, and all that they import.

    Args:
        files: every file, by name.
        packages: those of the project as it was before; what begins as one of them is its own.
            Without any, every file is.

    Raises:
        SchemaError: no file is in any of them.
    """
    starts = {package.partition(".")[0] for package in packages} - {"", *_SHARED}
    if not starts:
        return dict(files)
    found: dict[str, bytes] = {}
    waiting = [
        name for name, data in files.items() if read_package(data).partition(".")[0] in starts
    ]
    if not waiting:
        wanted = " or ".join(f"{start}.*" for start in sorted(starts))
        has = sorted({read_package(data) for name, data in files.items() if not is_engine(name)})
        raise SchemaError(f"it has no package {wanted}; it has {', '.join(has)}")
    for name in waiting:  # grows as imports are found
        if name in files and name not in found:
            found[name] = files[name]
            waiting += read_file(files[name]).imports
    return {name: files[name] for name in files if name in found}
