"""What the ``.proto`` files of an upstream tree are imported as, told by their own imports.

Upstream's trees differ. containerd 1.6 imports ``github.com/containerd/containerd/api/types/…``
from a tree that holds ``api/types/…``; since 2.3 it imports ``types/…``, which is below ``api/``;
and the Go module of ``api`` alone has no ``api/`` in it at all.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from toolkit.schema.protofiles import common_tail, is_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Layout", "find_layout", "is_third_party"]

# Where projects keep what is not theirs, and what is not meant to be compiled.
_NOT_FIRST_PARTY = frozenset({"vendor", "third_party", "node_modules", "testdata"})

_TRIED = 20  # layouts with most votes that are counted out; nearly always there is one


class Layout(NamedTuple):
    """How the files of a tree are called: ``folder`` in front is replaced by ``prefix``.

    Attributes:
        folder: the folder of the tree that imports begin in, ``api/``; empty for the tree itself.
        prefix: what imports have before the path below that folder; may be empty.
    """

    folder: str = ""
    prefix: str = ""

    def name(self, file: str) -> str | None:
        """What a file of the tree is imported as; None where it is outside of ``folder``."""
        if not file.startswith(self.folder):
            return None
        return self.prefix + file[len(self.folder) :]

    def file(self, name: str) -> str | None:
        """The file of the tree that an import would be; None where it is none of the tree's."""
        if not name.startswith(self.prefix):
            return None
        return self.folder + name[len(self.prefix) :]


def is_third_party(file: str) -> bool:
    """Whether a file of a tree is in a folder for what is not the project's own, or hidden."""
    folders = file.split("/")[:-1]
    return any(one in _NOT_FIRST_PARTY or one.startswith(".") for one in folders)


def find_layout(imports: Mapping[str, Iterable[str]], known: Iterable[str] = ()) -> Layout:
    """The layout under which most imports of a tree lead to files of the tree.

    Args:
        imports: what each file of the tree imports, by its path in the tree.
        known: what files of the project were imported as before: they decide where the files do
            not import each other.
    """
    wanted = {name for names in imports.values() for name in names if not is_engine(name)}
    return _best(imports, wanted) or _best(imports, set(known)) or Layout()


def _best(files: Mapping[str, object], names: set[str]) -> Layout | None:
    by_base: dict[str, list[str]] = {}
    for file in files:
        by_base.setdefault(_base(file), []).append(file)
    candidates: Counter[Layout] = Counter()
    for name in names:
        alike = by_base.get(_base(name), ())
        if alike and ".." not in name.split("/"):
            # Those that have most in common with it: one name may be that of hundreds of files.
            tails = {file: common_tail(name, file) for file in alike}
            most = max(tails.values())
            candidates.update(_layout(name, file) for file in alike if tails[file] == most)
    if not candidates:
        return None

    def fit(layout: Layout) -> tuple[int, int, int]:
        hits = sum(layout.file(name) in files for name in names)
        return hits, -len(layout.folder), -len(layout.prefix)

    likely = [layout for layout, _ in candidates.most_common(_TRIED)]
    return max(likely, key=fit)


def _layout(name: str, file: str) -> Layout:
    """The layout that makes a file into an import, with as long a tail in common as they have."""
    count = common_tail(name, file)
    size = len("/".join(name.split("/")[-count:]))
    return Layout(file[: len(file) - size], name[: len(name) - size])


def _base(name: str) -> str:
    return name.rpartition("/")[2]
