"""Generated packages for tests: written once a run, and imported under names of their own."""

from __future__ import annotations

import functools
import importlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import toolkit
from toolkit.cli import main

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "RELEASES",
    "ZOOS",
    "folder",
    "home",
    "messages",
    "module_of",
    "modules",
    "package_name",
    "schema_of",
]

RELEASES = [release.name for release in toolkit.releases()]
HERE = Path(__file__).parent
ZOOS = {"zoo_codegen": HERE / "zoo", "zoo_schema": HERE.parent / "schema" / "zoo"}


@functools.cache
def home() -> Path:
    """The folder of all packages, which can be imported from."""
    path = Path(tempfile.mkdtemp(prefix="ttrpc-stubs-"))
    sys.path.insert(0, str(path))
    return path


def package_name(source: str) -> str:
    """What the package of a release or of a zoo is called."""
    return "".join(c if c.isalnum() else "_" for c in source)


@functools.cache
def folder(source: str) -> Path:
    """The package of a release, or of one of the zoos, generated."""
    path = home() / package_name(source)
    schema = str(ZOOS.get(source, source))
    assert main(["codegen", "-s", schema, "--out", str(path)]) == 0
    return path


def modules(source: str) -> list[ModuleType]:
    """Its modules, imported."""
    path = folder(source)
    names = sorted(one.stem for one in path.glob("*.pyi"))
    return [importlib.import_module(f"{path.name}.{name}") for name in names]


def module_of(source: str, name: str) -> ModuleType:
    """One of them, by its name."""
    return next(one for one in modules(source) if one.__name__.endswith(f".{name}"))


def schema_of(source: str) -> Any:
    """The schema that they are bound to."""
    return importlib.import_module(f"{folder(source).name}._schema").binding.schema


def messages(module: ModuleType) -> list[type[Any]]:
    """The classes of its messages, those within others too."""
    found = [one for one in vars(module).values() if hasattr(one, "FromString")]
    for message in found:  # grows
        found += [one for one in vars(message).values() if hasattr(one, "FromString")]
    return found
