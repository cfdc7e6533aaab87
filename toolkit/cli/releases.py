"""``ttrpc releases``: what is vendored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.cli.errors import SUCCESS, UsageError
from toolkit.cli.output import data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.cli.arguments import Options
    from toolkit.schema.releases import Release

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = ""
FLAGS = ("json",)
ABOUT = """\
List the vendored releases: the name that -s takes, the upstream tag and
commit. A line that does not come with the toolkit says which folder it is
in, and what `ttrpc vendor sync` took it from."""

_COMMIT = 12  # hex digits: as many as git itself shows of a big repository


def run(options: Options) -> int:
    """Print all of them."""
    from toolkit.schema.releases import releases

    if options.arguments:
        raise UsageError(f"releases takes no arguments, not {options.arguments[0]!r}")
    known = sorted(releases(), key=_reading_order)
    data(_as_json(known) if options.json else _as_table(known))
    return SUCCESS


def _reading_order(release: Release) -> tuple[bool, str, bool, list[int]]:
    """As people count: 3.0 before 3.0.2, whichever of them was vendored later."""
    numbers = [int(part) for part in re.findall(r"\d+", release.line)]
    return release.project != "containerd", release.project, not numbers, numbers


def _as_table(known: Sequence[Release]) -> str:
    rows = [("RELEASE", "TAG", "COMMIT", "")]
    rows += [(r.name, r.tag or "-", r.commit[:_COMMIT] or "-", _origin(r)) for r in known]
    if any(row[-1] for row in rows):
        rows[0] = (*rows[0][:-1], "FROM")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _origin(release: Release) -> str:
    if release.origin == "package":
        return ""
    return f"{release.origin}, of {release.source}" if release.source else release.origin


def _as_json(known: Sequence[Release]) -> str:
    import json

    return json.dumps(
        [
            {
                "name": release.name,
                "project": release.project,
                "line": release.line,
                "tag": release.tag,
                "commit": release.commit,
                "repository": release.repository,
                "companions": list(release.companions),
                "origin": release.origin,
                "source": release.source,
            }
            for release in known
        ],
        indent=2,
    )
