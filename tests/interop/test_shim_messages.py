"""What travels in the Anys of a live runc shim: metrics, and what it tells about itself."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.interop.containerd import search_path
from tests.interop.needs import need_programs, unavailable
from tests.interop.peers import program
from toolkit import sync
from toolkit.shim.stats import CGROUP_V1, CGROUP_V2, decode_stats, summary

if TYPE_CHECKING:
    from tests.interop.containerd import Container

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

SCHEMA = toolkit.load("containerd")
RUNTIME_INFO = "containerd.types.RuntimeInfo"
LINES = [each.name for each in toolkit.releases() if each.project == "containerd"]
WITH_V2 = [
    line
    for line in LINES
    if any(service.name == "containerd.task.v2.Task" for service in toolkit.load(line).services())
]


@pytest.mark.parametrize("line", WITH_V2)
def test_the_metrics_of_a_container_are_told_in_every_line(line: str, container: Container) -> None:
    stats = toolkit.load(line).service("containerd.task.v2.Task")["Stats"]

    with sync.connect(container.address, timeout=5) as channel:
        metrics = decode_stats(channel.call(stats, {"id": container.id}, timeout=5))

    usage = summary(metrics)
    assert metrics.DESCRIPTOR.full_name in (CGROUP_V1, CGROUP_V2)
    assert usage.pids == 1
    assert 100_000 < usage.memory < 1 << 28
    assert 0 < usage.cpu_nano < 5 * 10**9


@pytest.mark.parametrize("line", ["2.0", "2.1", "2.2", "2.3", "2.4"])
def test_a_runc_shim_tells_about_itself(line: str) -> None:
    binary = program(f"runc-shim/{line}/containerd-shim-runc-v2")
    if not binary.is_file():
        unavailable(f"{binary} is not built: `make peers` does, with Go")
    need_programs(["runc"], path=search_path())
    options = SCHEMA.pack("containerd.runc.v1.Options", {"binary_name": "runc"})

    done = subprocess.run(
        [binary, "-info"],
        input=options.SerializeToString(),
        capture_output=True,
        check=True,
        timeout=20,
        env={**os.environ, "PATH": search_path()},
    )

    info = SCHEMA.message(RUNTIME_INFO).FromString(done.stdout)
    features = SCHEMA.unpack(info.features)  # JSON, of the OCI's runtime spec
    assert info.name == "io.containerd.runc.v2"
    assert info.version.version.startswith(f"{line}.")
    assert SCHEMA.unpack(info.options) == SCHEMA.unpack(options)
    assert "ociVersionMin" in features
    assert json.loads(SCHEMA.to_json(info))["features"]["@type"] == info.features.type_url
