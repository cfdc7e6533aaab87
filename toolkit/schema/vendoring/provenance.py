"""Where a tree comes from: what git says of a checkout, and which releases its ``go.mod`` names."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from toolkit.errors import ReleaseNotFound
from toolkit.schema.releases import find_release

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Provenance", "companions", "provenance"]

_PATIENCE = 20  # seconds for git; a big checkout on a cold disk takes a few
_MODULE_VERSION = re.compile(r"@(v\d[^/@]*)$")  # of a folder in Go's module cache
_REQUIRE = re.compile(r"^(?:require)?\s*([\w.-]+(?:/[\w.-]+)+)\s+(v\d\S*)", re.MULTILINE)
_MAJOR = re.compile(r"/v\d+$")
_PROJECTS = {
    "github.com/containerd/cgroups": "cgroups",
    "github.com/containerd/nri": "nri",
    "github.com/microsoft/hcsshim": "hcsshim",
}


class Provenance(NamedTuple):
    """What is known of a tree.

    Attributes:
        tag: of the commit that is checked out, or of the Go module; may be empty.
        commit: in full; may be empty.
        repository: where it was cloned from; may be empty.
        note: what makes this less than the whole truth; mostly empty.
    """

    tag: str = ""
    commit: str = ""
    repository: str = ""
    note: str = ""


def provenance(folder: Path) -> Provenance:
    """Ask git about a checkout; of a folder in Go's module cache, the version in its name."""
    module = _MODULE_VERSION.search(str(folder.resolve()))
    if module is not None:
        return Provenance(tag=module[1])
    # A copied tree may lie in somebody's repository without being a part of it.
    if not _git(folder, "ls-files", "--", "*.proto"):
        return Provenance()
    changed = _git(folder, "status", "--porcelain", "--", "*.proto")
    tags = _git(folder, "tag", "--points-at", "HEAD").split()
    return Provenance(
        tag=_nearest_tag(tags),
        commit=_git(folder, "rev-parse", "HEAD"),
        repository=_public(_git(folder, "remote", "get-url", "origin")),
        note="with changes that are not committed" if changed else "",
    )


def companions(folder: Path, inherited: Sequence[str]) -> list[str]:
    """The releases that go with a tree: what its ``go.mod`` requires, else what went before.

    Args:
        folder: the tree.
        inherited: the companions of the line before. They stay for projects that ``go.mod`` does
            not require, or in a version of which nothing is vendored.
    """
    try:
        text = (folder / "go.mod").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return list(inherited)
    found: dict[str, dict[str, None]] = {}
    for module, version in _REQUIRE.findall(text):
        project = _PROJECTS.get(_MAJOR.sub("", module.lower()))
        if project is None:
            continue
        try:
            release = find_release(f"{project}@{version}")
        except ReleaseNotFound:
            continue
        found.setdefault(project, {})[release.name] = None
    own = [name for names in found.values() for name in names]
    return [*own, *(name for name in inherited if name.partition("@")[0] not in found)]


def _git(folder: Path, *arguments: str) -> str:
    """What git says, without space around it; empty when it has nothing to say, or is not there."""
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # the words are ours, the folder the user's
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _nearest_tag(tags: Sequence[str]) -> str:
    """Of several tags of one commit, that of the project itself: without a path, the longest."""
    plain = [tag for tag in tags if "/" not in tag]
    return max(plain or tags, key=lambda tag: (len(tag), tag), default="")


def _public(url: str) -> str:
    """A repository's URL without the name and password that may be in it; no path of this host."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return ""
    if not parts.netloc:  # as scp has it, user@host:path
        scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):([^:]+?)(?:\.git)?", url)
        return f"https://{scp[1]}/{scp[2]}" if scp is not None else ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.removesuffix('.git')}"
