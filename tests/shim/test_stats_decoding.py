"""Metrics out of a shim's answers: cgroup v1 and v2, Windows; and what else travels in its Anys."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import toolkit
from tests.shim import crate
from toolkit.errors import MessageError, RawAny, SymbolNotFound
from toolkit.schema.message import as_message
from toolkit.shim.stats import CGROUP_V1, CGROUP_V2, WINDOWS, Usage, decode_stats, summary

NEWEST = toolkit.load("containerd")
LINES = [each.name for each in toolkit.releases() if each.project == "containerd"]
USAGES = {
    CGROUP_V1: Usage(4_000_000_001, 1_048_576, 3),
    CGROUP_V2: Usage(5_000_001_000, 2_097_152, 4),
    WINDOWS: Usage(6_000_000_001, 3_145_728, None),
}
# The Stats of busybox's sleep under Debian's runc shim, containerd 1.6.20, with cgroup v1.
RUNC = RawAny(
    CGROUP_V1,
    base64.b64decode(
        "EgIIARoXChMI54+0BhCAreIEIgfTsWKU3tEFEgAipgEIgKAKEICgAyiA4AE48gNAvANI+AVYgKADcICgCoABgOD///////9/"
        "iAGA4P///////3+QAYCgCpgBgKADsAGA4AHAAfIDyAG8A9AB+AXgAYCgA/gBgKAKigITCIDg////////fxCA4DAYgOCpAZIC"
        "EwiA4P///////38QgOAwGIDgqQGaAhIIgOD///////9/EIDAEBiA4CWiAgoIgOD///////9/KgBKAA=="
    ),
)


def stats_response(packed: RawAny, *, line: str = "containerd") -> Any:
    schema = toolkit.load(line)
    version = "v3" if "containerd.task.v3.StatsResponse" in schema.symbols() else "v2"
    reply = schema.message(f"containerd.task.{version}.StatsResponse")
    return as_message(reply, {"stats": packed._asdict()})


@pytest.mark.parametrize("name", USAGES)
def test_the_metrics_of_the_crate_are_decoded(name: str) -> None:
    metrics = decode_stats(stats_response(crate.recorded(name)))

    assert metrics == as_message(NEWEST.resolve(name), crate.OTHERS[name])
    assert summary(metrics) == USAGES[name]


def test_the_metrics_of_a_runc_shim_are_decoded() -> None:
    metrics = decode_stats(stats_response(RUNC))

    assert metrics.cpu.usage.per_cpu == [1_611_987, 11_824_916]
    assert summary(metrics) == Usage(cpu_nano=13_436_903, memory=798_720, pids=1)


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("name", USAGES)
def test_the_answers_of_every_line_are_decoded(line: str, name: str) -> None:
    reply = stats_response(crate.recorded(name), line=line)

    assert summary(decode_stats(reply)) == USAGES[name]


@pytest.mark.parametrize(
    ("line", "name", "known"),
    [
        ("containerd@1.2", CGROUP_V1, True),
        ("containerd@1.2", CGROUP_V2, False),
        ("containerd@1.4", CGROUP_V2, True),
        ("containerd@1.7", CGROUP_V1, True),
    ],
)
def test_a_line_knows_what_its_companions_know(line: str, name: str, *, known: bool) -> None:
    schema = toolkit.load(line)

    if known:
        assert summary(decode_stats(crate.recorded(name), schema)) == USAGES[name]
    else:
        with pytest.raises(SymbolNotFound, match=name):
            decode_stats(crate.recorded(name), schema)


def test_sandbox_metrics_a_metric_and_a_bare_any_are_decoded() -> None:
    packed = crate.recorded(CGROUP_V2)
    cls = NEWEST.message("containerd.runtime.sandbox.v1.SandboxMetricsResponse")
    reply = as_message(cls, {"metrics": {"id": "pod", "data": packed._asdict()}})

    found = [decode_stats(each) for each in (reply, reply.metrics, reply.metrics.data, packed)]

    assert {summary(metrics) for metrics in found} == {USAGES[CGROUP_V2]}


@pytest.mark.parametrize(
    ("values", "usage"),
    [
        ({"linux": crate.OTHERS[CGROUP_V1]}, USAGES[CGROUP_V1]),
        (
            {
                "vm": {
                    "processor": {"total_runtime_ns": 9},
                    "memory": {"working_set_bytes": 8},
                }
            },
            Usage(9, 8, None),
        ),
        ({}, Usage(0, 0, None)),
    ],
    ids=["a Linux container", "a virtual machine alone", "nothing"],
)
def test_windows_tells_of_what_it_runs(values: dict[str, Any], usage: Usage) -> None:
    assert summary(as_message(NEWEST.resolve(WINDOWS), values)) == usage


def test_an_answer_without_stats_says_so() -> None:
    reply = NEWEST.message("containerd.task.v3.StatsResponse")()

    with pytest.raises(MessageError, match="stats: absent: the shim has measured nothing"):
        decode_stats(reply)


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(SymbolNotFound, match=r"example\.v9\.Metrics"):
        decode_stats(RawAny("example.v9.Metrics", b""))


def test_what_is_no_metrics_is_named() -> None:
    options = crate.recorded("containerd.runc.v1.Options")

    with pytest.raises(MessageError, match=r"runc\.v1\.Options: these are no metrics; want io\."):
        decode_stats(options)
    with pytest.raises(MessageError, match=r"runc\.v1\.Options: these are no metrics"):
        summary(NEWEST.unpack(options))


def test_bytes_that_are_no_metrics_are_refused() -> None:
    with pytest.raises(MessageError, match="1 bytes are no such message"):
        decode_stats(RawAny(CGROUP_V2, b"\xff"))


def test_a_message_without_metrics_is_refused() -> None:
    with pytest.raises(MessageError, match="StateResponse: it has no field for metrics"):
        decode_stats(NEWEST.message("containerd.task.v3.StateResponse")())


@pytest.mark.parametrize("name", crate.OTHERS)
def test_what_else_the_crate_exposes_has_the_same_bytes_here(name: str) -> None:
    packed = NEWEST.pack(name, crate.OTHERS[name])

    assert RawAny(packed.type_url, packed.value) == crate.recorded(name)
    assert NEWEST.unpack(packed) == as_message(NEWEST.resolve(name), crate.OTHERS[name])
