"""What the files of a folder declare, compiled with that folder as their only import root."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import SchemaError
from toolkit.schema.compare import digest, structure
from toolkit.schema.compile import compile_protos
from toolkit.schema.files import split_set
from toolkit.schema.linking import link
from toolkit.schema.tree import check_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Interface", "interface_of"]

_SHORT = 16  # hex digits; these tell two versions of one file apart, and guard against nobody


class Interface(NamedTuple):
    """The digests of a line.

    Attributes:
        digest: of the whole, as ``compare`` makes it.
        files: of each file, by name, cut to 16 digits.
    """

    digest: str
    files: dict[str, str]


def interface_of(root: Path, names: Sequence[str]) -> Interface:
    """Compile files below a folder, with nothing but each other and the engine's own.

    Raises:
        CompileError: one has errors, or imports what is not there.
        SchemaError: there is none, or a name cannot be a file's.
    """
    if not names:
        raise SchemaError(f"{root} has no .proto file")
    for name in names:
        check_name(name)
    pool, files = link(str(root), split_set(compile_protos(names, [root])))
    found = {file.name: pool.FindFileByName(file.name) for file in files}
    return Interface(
        digest(structure(found.values())),
        {name: digest(structure([found[name]]))[:_SHORT] for name in names},
    )
