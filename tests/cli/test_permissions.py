"""Files that this user may not look at: the errors say so, whatever the command."""

from __future__ import annotations

import contextlib
import difflib  # noqa: F401  # errors import it late, when this user may not read the library
import json
import os
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.cli.command import ttrpc
from toolkit.cli import call, releases, serve  # noqa: F401  # the same
from toolkit.schema import nearest  # noqa: F401  # the same
from toolkit.shim.process import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65534


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Not as root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        if not os.access(toolkit.__file__, os.R_OK, effective_ids=True):
            pytest.skip("this checkout lies where only root may look: nobody can run its code")
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A folder that nobody but root may look into."""
    make_server(toolkit.load("containerd"))  # what commands load late is loaded once this is done
    folder = tmp_path / "locked"
    folder.mkdir(mode=0)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (
            ["call", "{}/x.sock", "Connect"],
            "cannot connect to unix://{}/x.sock: permission denied; "
            "the sockets of shims belong to root",
        ),
        (["list", "{}/x.sock"], "cannot connect to unix://{}/x.sock: permission denied"),
        (["list", "-s", "{}/x.proto"], "cannot read {}/x.proto: Permission denied"),
        (["list", "-s", "{}/x.binpb"], "cannot read {}/x.binpb: Permission denied"),
        (["list", "-s", "{}/folder"], "cannot read {}/folder: Permission denied"),
        (["list", "-s", "{}"], "cannot read {}: Permission denied"),
        (["releases", "--vendor", "{}/vendor"], "--vendor {}/vendor: Permission denied"),
        (["serve", "{}/x.sock"], "cannot listen on unix://{}/x.sock: Permission denied"),
    ],
)
def test_what_may_not_be_looked_at_is_said_so(argv: list[str], says: str, locked: Path) -> None:
    words = [word.format(locked) for word in argv]
    with without_rights():
        outcome = ttrpc(*words)

    assert outcome.code == 1
    assert says.format(locked) in outcome.err
    assert "[Errno" not in outcome.err


def test_a_bundle_of_root_s_is_said_to_be_root_s(tmp_path: Path) -> None:
    bundle = tmp_path / "web"
    bundle.mkdir()
    record = bundle / "bootstrap.json"
    record.write_text(json.dumps({"address": "unix:///x"}))
    record.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o055)

    with without_rights():
        outcome = ttrpc("call", bundle, "Connect")

    assert outcome.err.startswith(f"ttrpc: cannot read {record}: permission denied; the bundles")
