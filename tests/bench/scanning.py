"""Finding the schema in a shim's binary, against reading the same file for its checksum."""

from __future__ import annotations

import shutil
import sys
import tempfile
from typing import TYPE_CHECKING

from tests.bench.process import run, seconds
from tests.bench.row import Row, compare

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

_SHIM = "containerd-shim-runc-v2"
_LOAD = """
import sys, time
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
import toolkit
import toolkit.schema.binary, toolkit.schema.load, toolkit.schema.mending, toolkit.schema.scan
start = time.perf_counter()
toolkit.load("binary:" + sys.argv[1])
print(time.perf_counter() - start)
"""


def rows(rounds: int) -> Iterator[Row]:
    """The search in a fresh process after its imports; ``sha256sum`` as a whole process."""
    shim, checksum = shutil.which(_SHIM), shutil.which("sha256sum")
    what = "schema out of the runc shim's binary"
    if shim is None or checksum is None:
        yield Row(what, skipped=f"there is no {_SHIM if shim is None else 'sha256sum'} here")
        return

    def load(cache: str) -> float:
        return float(run([sys.executable, "-c", _LOAD, shim], XDG_CACHE_HOME=cache))

    def load_anew() -> float:
        with tempfile.TemporaryDirectory() as cache:
            return load(cache)

    yield compare(
        f"{what}, searched / sha256sum",
        load_anew,
        lambda: seconds([checksum, shim]),
        rounds,
        limit=3,
    )
    with tempfile.TemporaryDirectory() as cache:
        load(cache)
        remembered = [load(cache) * 1000 for _ in range(rounds)]
    yield Row(f"{what}, remembered", remembered, unit="ms")
