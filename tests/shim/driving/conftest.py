"""Whatever becomes of a start, nothing of it is left in this process or beside it."""

from __future__ import annotations

import gc
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads and file descriptors are those that were there before; no temporary file stays.

    ``tmp_path`` is there first, outside of the folder that is looked at.
    """
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        before = _held()
        yield
        gc.collect()  # an asyncio loop that has ended holds its descriptors until then
        assert _held() == before
        assert list(Path(folder).iterdir()) == []


def _held() -> tuple[list[str], list[str]]:
    threads = [one.name for one in threading.enumerate() if one.name.startswith("shim-")]
    return sorted(threads), sorted(_descriptors())


def _descriptors() -> Iterator[str]:
    for path in Path("/proc/self/fd").iterdir():
        try:
            target = str(path.readlink())
        except OSError:  # that of the listing itself
            continue
        # pytest's own files come and go.
        if target.startswith(("socket:", "pipe:", "anon_inode:")) or "/ttrpc-" in target:
            yield target
