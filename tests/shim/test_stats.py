"""Stats come from /proc, in the shape of a cgroup's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.shim.caller import Caller

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.shim.process import ProcessShim


def test_stats_hold_what_the_processes_use(call: Caller, sleeper: Path) -> None:
    call.run("web", sleeper)
    call.exec("web", "extra", "sleep", "1000")

    stats = call("Stats", id="web").stats

    metrics = call.service.schema.unpack(stats)
    assert stats.type_url == "io.containerd.cgroups.v2.Metrics"
    assert metrics.pids.current == 2
    assert metrics.memory.usage > 100_000
    assert metrics.memory.pgfault > 0
    assert metrics.cpu.usage_usec == metrics.cpu.user_usec + metrics.cpu.system_usec


@pytest.mark.parametrize("line", ["containerd@1.2"])
def test_stats_are_empty_where_the_line_knows_no_such_message(
    line: str, shim: ProcessShim, sleeper: Path
) -> None:
    call = Caller(shim, toolkit.load(line).service("containerd.task.v2.Task"))
    call.run("web", sleeper)

    assert not call("Stats", id="web").HasField("stats")
