"""The names that ``toolkit.shim`` promises are there, and imported only when asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from toolkit import shim


@pytest.mark.parametrize("name", shim.__all__)
def test_a_promised_name_is_there(name: str) -> None:
    assert getattr(shim, name).__name__ == name
    assert name in dir(shim)


def test_what_is_not_promised_is_not_there() -> None:
    with pytest.raises(AttributeError, match=r"module 'toolkit\.shim' has no attribute 'nothing'"):
        _ = shim.nothing


def test_the_package_alone_imports_nothing_of_itself() -> None:
    code = "import sys, toolkit.shim; print([m for m in sys.modules if m.startswith('toolkit.s')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "toolkit.shim" in done.stdout
    assert "toolkit.shim." not in done.stdout
