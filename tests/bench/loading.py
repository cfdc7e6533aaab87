"""Loading releases: with an empty cache, with a warm one, and every line in one process."""

from __future__ import annotations

import sys
import tempfile
from typing import TYPE_CHECKING

from tests.bench.process import run
from tests.bench.row import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["rows"]

# After the imports: protobuf's is 30 ms, and `ttrpc call` as a whole has a row of its own.
_ONE = """
import time
from google.protobuf import descriptor_pool, message_factory
import toolkit
import toolkit.schema.load
start = time.perf_counter()
toolkit.load("containerd@2.4")
print(time.perf_counter() - start)
"""
_ALL = """
import time
from google.protobuf import descriptor_pool, message_factory
import toolkit
import toolkit.schema.load
start = time.perf_counter()
for release in toolkit.releases():
    schema = toolkit.load(release.name)
    for method in schema.methods_named("State"):
        method.request(id="web")
print(time.perf_counter() - start)
"""


def rows(rounds: int) -> Iterator[Row]:
    """Milliseconds inside a fresh process."""
    cold, warm, all_cold, all_warm = [], [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(_milliseconds(_ONE, cache))
            warm.append(_milliseconds(_ONE, cache))
    for _ in range(max(1, rounds // 5)):
        with tempfile.TemporaryDirectory() as cache:
            all_cold.append(_milliseconds(_ALL, cache))
            all_warm.append(_milliseconds(_ALL, cache))
    yield Row("load containerd@2.4, no cache", cold, unit="ms", limit=100)
    yield Row("load containerd@2.4, warm cache", warm, unit="ms", limit=5)
    yield Row("load every line and make State requests, no cache", all_cold, unit="ms")
    yield Row("load every line and make State requests, warm cache", all_warm, unit="ms")


def _milliseconds(program: str, cache: str) -> float:
    return float(run([sys.executable, "-c", program], XDG_CACHE_HOME=cache)) * 1000
