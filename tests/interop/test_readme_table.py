"""The matrix in the README is the one that the tests make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop import matrix

if TYPE_CHECKING:
    from collections.abc import Iterable

README = Path(__file__).parents[2] / "README.md"


def test_the_table_of_the_readme_is_that_of_the_matrix(request: pytest.FixtureRequest) -> None:
    places = [matrix.place_of(item) for item in _whole_matrix(request)]
    table = matrix.table([(place[0], True) for place in places if place is not None])

    written = README.read_text()
    for line in table:
        if line.startswith("|"):
            assert line in written


def _whole_matrix(request: pytest.FixtureRequest) -> Iterable[pytest.Item]:
    folder = Path(__file__).parent
    collected = {item.path for item in request.session.items}
    if not set(folder.glob("test_our_*.py")) | {folder / "test_killed_peers.py"} <= collected:
        pytest.skip("the matrix is whole only when all of its files are run")
    return request.session.items
