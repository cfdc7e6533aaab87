"""What is packed: the code, the typing marker, and every vendored ``.proto`` file."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

hatchling = pytest.importorskip("hatchling.build", reason="hatchling is not installed")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel that is built here and now."""
    folder = tmp_path_factory.mktemp("dist")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = hatchling.build_wheel(str(folder))
    with zipfile.ZipFile(folder / wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_vendored_file(names: set[str]) -> None:
    vendored = {
        path.relative_to(ROOT)
        for path in (ROOT / "vendor").rglob("*")
        if path.is_file() and path.name != ".lock"
    }

    assert len(vendored) > 400
    assert {f"toolkit/_data/{path.as_posix()}" for path in vendored} <= names


def test_the_wheel_holds_the_package_and_its_typing_marker(names: set[str]) -> None:
    code = {path.relative_to(ROOT).as_posix() for path in (ROOT / "toolkit").rglob("*.py")}

    assert code | {"toolkit/py.typed"} <= names


def test_the_wheel_holds_nothing_else(names: set[str]) -> None:
    tops = {name.split("/")[0] for name in names}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"toolkit"}
