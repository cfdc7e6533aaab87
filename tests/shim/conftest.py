"""A ProcessShim, and bundles for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from tests.shim.caller import Caller
from toolkit.shim.process import ProcessShim

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from toolkit.schema.method import Service


@pytest.fixture
def shim() -> Iterator[ProcessShim]:
    shim = ProcessShim()
    yield shim
    shim.close()


@pytest.fixture(scope="session")
def task() -> Service:
    return toolkit.load("containerd@2.3").service("containerd.task.v3.Task")


@pytest.fixture
def call(shim: ProcessShim, task: Service) -> Caller:
    return Caller(shim, task)


@pytest.fixture
def make_bundle(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a bundle with this program."""

    def make(*args: str, **process: Any) -> Path:
        folder = tmp_path / "bundle"
        folder.mkdir(exist_ok=True)
        config = {"ociVersion": "1.1.0", "process": {"args": args, "cwd": "/", **process}}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return make


@pytest.fixture
def sleeper(make_bundle: Callable[..., Path]) -> Path:
    """A bundle whose program outlasts every test."""
    return make_bundle("sleep", "1000")
