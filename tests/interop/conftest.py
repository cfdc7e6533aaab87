"""Fixtures that start the real thing."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.interop.containerd import PROGRAMS, Containerd, search_path
from tests.interop.needs import need_programs, need_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Container


@contextlib.contextmanager
def _start_containerd(binaries: Path | None = None) -> Iterator[Containerd]:
    need_root()
    need_programs(PROGRAMS, path=search_path(binaries))
    # Not under pytest's folder: the path of a unix socket ends at 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="ttrpc-"))
    try:
        with Containerd(folder, binaries=binaries) as containerd:
            yield containerd
        assert containerd.leftovers() == []
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def start_containerd() -> Callable[[Path], AbstractContextManager[Containerd]]:
    """Starts a containerd with the programs of a folder before those of the system."""
    return _start_containerd


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    """The system's containerd, running; that nothing is left of it is checked at the end."""
    with _start_containerd() as containerd:
        yield containerd


@pytest.fixture
def container(containerd: Containerd, request: pytest.FixtureRequest) -> Iterator[Container]:
    """A container in which busybox sleeps, under a shim of its own."""
    name = f"web-{abs(hash(request.node.nodeid)) % 10**8}"
    container = containerd.run(name, "sleep", "1000")
    yield container
    containerd.remove(container)
