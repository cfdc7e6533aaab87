"""Every public module says what it exports, and says the truth."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "toolkit").rglob("*.py")
    if path.name not in {"__main__.py", "launcher.py"}  # programs, never imported
)
# What users import: a name that goes away breaks a program somewhere.
PROMISED = {
    "toolkit": {
        *("load", "releases", "Code"),
        *("ToolkitError", "SchemaError", "ReleaseNotFound", "SourceNotFound", "SymbolNotFound"),
        *("CompileError", "ProtocolError", "LocalProtocolError", "RemoteProtocolError"),
        *("TransportError", "ConnectFailed", "ConnectionClosed", "RpcError", "DeadlineExceeded"),
    },
    "toolkit.sync": {"Channel", "Server", "connect"},
    "toolkit.cli": {"main"},
}


@pytest.mark.parametrize("module", MODULES)
def test_all_is_sorted_and_true(module: str) -> None:
    found = importlib.import_module(module)

    names = list(getattr(found, "__all__", ()))
    assert all(hasattr(found, name) for name in names)
    assert names == sorted(set(names), key=_as_ruff_sorts)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_defines_something_says_what_is_public(module: str) -> None:
    found = importlib.import_module(module)

    assert hasattr(found, "__all__") or not _definitions(found)


@pytest.mark.parametrize("module", sorted(PROMISED))
def test_the_promised_names_are_there(module: str) -> None:
    assert set(importlib.import_module(module).__all__) >= PROMISED[module]


def _definitions(module: ModuleType) -> set[str]:
    """The public classes and functions that a module itself defines."""
    assert module.__file__ is not None
    return {
        node.name
        for node in ast.parse(Path(module.__file__).read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    }


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    # isort's order: CONSTANTS, then Classes, then functions.
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
