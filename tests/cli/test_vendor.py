"""``ttrpc vendor verify``: whole folders pass, a touched one does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.cli.command import ttrpc
from tests.support import vendored
from toolkit.schema.releases import search_path
from toolkit.schema.vendoring.writing import write_line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one line, on a search path of its own."""
    line = toolkit.load("nri@0.12").release
    assert line is not None
    files = {path.relative_to(line.root).as_posix(): path for path in line.root.rglob("*.proto")}
    write_line(
        tmp_path,
        line._replace(line="0.99"),
        {name: path.read_text() for name, path in files.items()},
    )
    monkeypatch.setattr("toolkit.schema.vendoring.verifying.search_path", lambda: search_path()[:1])
    return tmp_path


def test_an_untouched_line_is_equal(folder: Path) -> None:
    outcome = ttrpc("vendor", "verify", "--vendor", folder)

    assert outcome.code == 0
    assert outcome.out == (
        f"nri@0.99  1 of 1 file equal, in {folder}\nevery file is equal: 1 file of 1 releases\n"
    )


def test_a_changed_file_is_named_and_fails(folder: Path) -> None:
    (path,) = (folder / "nri").rglob("*.proto")
    path.write_text(path.read_text().replace("Configure(", "Configured("))

    outcome = ttrpc("vendor", "verify", "--vendor", folder)

    assert outcome.code == 1
    assert f"nri@0.99  changed: {path.relative_to(folder / 'nri' / '0.99')}" in outcome.out
    assert "1 of 1 releases differ: nri@0.99" in outcome.out


def test_a_line_without_its_files_fails(folder: Path) -> None:
    (path,) = (folder / "nri").rglob("*.proto")
    path.unlink()

    outcome = ttrpc("vendor", "verify", "--vendor", folder)

    assert outcome.code == 1
    assert "nri@0.99  " in outcome.out
    assert outcome.out.endswith("1 of 1 releases differ: nri@0.99\n")


def test_the_package_s_own_lines_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toolkit.schema.vendoring.verifying.verify_line", vendored.verify_line)

    outcome = ttrpc("vendor", "verify")

    *lines, summary = outcome.out.splitlines()
    assert outcome.code == 0
    assert {line.split()[0] for line in lines} >= {r.name for r in toolkit.releases()}
    assert summary.startswith("every file is equal: ")
