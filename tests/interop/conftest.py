"""Fixtures that start the real thing."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.interop import foreign, matrix, ours
from tests.interop.containerd import PROGRAMS, Containerd, search_path
from tests.interop.needs import need_programs, need_root
from tests.interop.service import INTEROP, implementation
from tests.support.flavours import FLAVOURS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.interop.containerd import Container
    from tests.interop.foreign import ForeignServer, Peer
    from tests.support.flavours import Flavour


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


@pytest.fixture(params=FLAVOURS, ids=lambda flavour: flavour.name)
def flavour(request: pytest.FixtureRequest) -> Flavour:
    """One of our flavours after the other."""
    chosen: Flavour = request.param
    return chosen


@pytest.fixture(scope="session")
def foreign_servers() -> Iterator[Callable[[Peer], ForeignServer]]:
    """Gives a peer's server, the same one each time; that it ends well is checked at the end."""
    servers: list[ForeignServer] = []
    with contextlib.ExitStack() as stack:

        @functools.cache
        def server(peer: Peer) -> ForeignServer:
            servers.append(stack.enter_context(foreign.serving(peer)))
            return servers[-1]

        yield server
    assert [server.process.returncode for server in servers] == [0] * len(servers)


@pytest.fixture(scope="session")
def our_servers() -> Iterator[Callable[[str], str]]:
    """Gives the address of our server of one flavour, the same one each time."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def address(flavour: str) -> str:
            serving = ours.serving(flavour, INTEROP, implementation(flavour))
            return stack.enter_context(serving)

        yield address


@pytest.fixture
def channel(
    peer: Peer, flavour: Flavour, foreign_servers: Callable[[Peer], ForeignServer]
) -> Iterator[Any]:
    """Our channel to the peer's server."""
    with flavour.connect(foreign_servers(peer).address, timeout=5) as channel:
        yield channel


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the matrix."""
    config.addinivalue_line("markers", f"{matrix.MARKER}(topic, role): a test of the matrix")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note where a test counts, for the summary; go on only if its peer is there."""
    place = matrix.place_of(item)
    if place is not None:
        cell, peer = place
        item.user_properties.append((matrix.KEY, cell))
        foreign.need(peer)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix, if any of it was tried."""
    cells: dict[str, matrix.Cell] = {}
    failed: set[str] = set()
    for reports in terminalreporter.stats.values():
        for report in reports:
            cell = dict(getattr(report, "user_properties", ())).get(matrix.KEY)
            if cell is None or report.skipped:
                continue
            cells[report.nodeid] = matrix.Cell(*cell)
            if report.failed:  # its setup, its call or its teardown
                failed.add(report.nodeid)
    if cells:
        terminalreporter.section("interoperability: tests passed, sync + asyncio")
        outcomes = [(cell, nodeid not in failed) for nodeid, cell in cells.items()]
        for line in matrix.table(outcomes):
            terminalreporter.write_line(line)
