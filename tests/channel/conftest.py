"""Fixtures for the scenarios, each of which runs on every flavour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.echo import ECHO
from tests.support.flavours import Flavour, every_flavour

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=every_flavour(), ids=lambda flavour: flavour.name)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """One flavour after the other."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture
def address(tmp_path: Path) -> str:
    """A unix address that nobody uses."""
    return f"unix://{tmp_path}/echo.sock"


class Echo:
    """Answers with what it got."""

    def Unary(self, request: Any, context: Any) -> Any:
        del context
        return request


@pytest.fixture
def channel(flavour: Flavour, address: str) -> Iterator[Any]:
    """A channel to a server that answers with what it gets."""
    with (
        flavour.serving(address, {ECHO: Echo()}) as (_, bound),
        flavour.connect(bound) as connected,
    ):
        yield connected
