"""The tree of ``.proto`` files that Debian ships becomes a line, its third parties beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import toolkit
from tests.interop.needs import unavailable
from toolkit.schema.releases import read_folder
from toolkit.schema.vendoring.verifying import verify_line

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

SOURCES = Path("/usr/share/gocode/src/github.com")
TREE = SOURCES / "containerd" / "containerd"
ROOTS = [SOURCES / "gogo" / "protobuf", SOURCES / "gogo" / "googleapis"]
INTROSPECTION = "containerd.services.introspection.v1"


@pytest.fixture(autouse=True)
def installed() -> None:
    if not TREE.is_dir():
        unavailable("there is no golang-github-containerd-containerd-dev here")


@pytest.mark.parametrize("roots", [ROOTS, [], [SOURCES.parent]], ids=["roots", "none", "one"])
def test_debian_s_tree_differs_from_ours_in_introspection_only(
    roots: list[Path], tmp_path: Path
) -> None:
    """By the command that users have; 1.6.20 lacks what came with 1.6.25."""
    words = [word for root in roots for word in ("-I", str(root))]
    command = [
        sys.executable,
        "-m",
        "toolkit",
        "vendor",
        "sync",
        "containerd@1.6",
        "--from",
        str(TREE),
        *words,
    ]
    done = subprocess.run(
        [*command, "--tag", "v1.6.20", "--vendor", str(tmp_path / "scratch")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == (
        "containerd@1.6 (v1.6.20): 31 files, 224 symbols, 14 services\n"
        "against containerd@1.6 (v1.6.39) as known until now: 4 differences\n"
        f"  message {INTROSPECTION}.DeprecationWarning removed\n"
        f"  {INTROSPECTION}.ServerResponse: field 2 pid (uint64) removed\n"
        f"  {INTROSPECTION}.ServerResponse: field 3 pidns (uint64) removed\n"
        f"  {INTROSPECTION}.ServerResponse: field 4 deprecations "
        f"(repeated {INTROSPECTION}.DeprecationWarning) removed\n"
    )
    [release] = read_folder(tmp_path / "scratch", origin="")
    assert verify_line(release).equal
    schema = toolkit.load(release.root)
    assert len(schema.service("containerd.task.v2.Task")) == 17
