"""Where a tree comes from: what git says of a checkout, and which releases its ``go.mod`` names."""

from __future__ import annotations

import os
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
_RELEASE = re.compile(r"v?\d+(?:\.\d+)*")
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
    absolute = folder.resolve()
    if not _is_checkout(absolute):
        return Provenance()
    listed, problem = _asked(folder, "ls-files", "--", "*.proto")
    if problem:
        return Provenance(note=f"of an unknown commit: {problem}; --tag and --commit tell it")
    # A copied tree may lie in somebody's repository without being a part of it.
    if not listed:
        return Provenance()
    changed = _git(folder, "status", "--porcelain", "--", "*.proto")
    tags = _git(folder, "tag", "--points-at", "HEAD").split()
    return Provenance(
        tag=_best_tag(tags),
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
    """What git says, without space around it; empty when it has nothing to say."""
    return _asked(folder, *arguments)[0]


def _asked(folder: Path, *arguments: str) -> tuple[str, str]:
    """What git says, and the first line of why it does not."""
    # A checkout's own settings may name programs to run.
    safe = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command = ["git", *safe, "--no-optional-locks", "-C", str(folder), *arguments]
    # In a hook, they name another repository.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(  # noqa: S603  # the words are ours, the folder the user's
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        return "", "git is not installed"
    except (OSError, subprocess.TimeoutExpired) as exc:
        return "", str(exc)
    if done.returncode == 0:
        return done.stdout.strip(), ""
    return "", next(iter(done.stderr.strip().splitlines()), "git fails")


def _is_checkout(folder: Path) -> bool:
    return any((place / ".git").exists() for place in (folder, *folder.parents))


def _best_tag(tags: Sequence[str]) -> str:
    """Of several tags of one commit that of a release: ``v2.5.0`` and not its ``-rc.3``."""

    def rank(tag: str) -> tuple[bool, bool, list[int], str]:
        plain = "/" not in tag  # api/v1.9.0 is the tag of a module inside
        numbers = [int(number) for number in re.findall(r"\d+", tag)]
        return plain, _RELEASE.fullmatch(tag) is not None, numbers, tag

    return max(tags, key=rank, default="")


def _public(url: str) -> str:
    """A repository's URL without the name and password that may be in it; no path of this host."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as http://[x
        return ""
    if parts.scheme == "file":
        return ""
    if not parts.netloc:  # as scp has it, user@host:path
        scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):([^:]+?)(?:\.git)?", url)
        return f"https://{scp[1]}/{scp[2]}" if scp is not None else ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.removesuffix('.git')}"
