"""Since when, and until when, a project has had a symbol or a field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from toolkit.schema.history import Span, field_by_number, history

if TYPE_CHECKING:
    from pathlib import Path


def span(project: str, symbol: str) -> Span:
    found = history(project).span(symbol)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("symbol", "since", "until"),
    [
        ("containerd.task.v2.Task", "containerd@1.2 (1.2.14)", ""),
        ("containerd.task.v3.Task", "containerd@1.7 (1.7.34)", ""),
        ("containerd.task.v3.Task.State", "containerd@1.7 (1.7.34)", ""),
        ("containerd.task.v3.Task/State", "containerd@1.7 (1.7.34)", ""),
        (".containerd.task.v2.StateResponse.exec_id", "containerd@1.3 (1.3.10)", ""),
        ("containerd.task.v2.UpdateTaskRequest.annotations", "containerd@1.5 (1.5.18)", ""),
        (
            "containerd.runtime.linux.shim.v1.Shim",
            "containerd@1.2 (1.2.14)",
            "containerd@1.7 (1.7.34)",
        ),
        (
            "containerd.runc.v1.Options.criu_path",
            "containerd@1.2 (1.2.14)",
            "containerd@1.6 (1.6.39)",
        ),
        ("containerd.runtime.bootstrap.v1.BootstrapParams", "containerd@2.3 (2.3.4)", ""),
        ("containerd.v1.types.Status.PAUSING", "containerd@1.2 (1.2.14)", ""),
    ],
)
def test_a_symbol_has_a_first_and_a_last_line(symbol: str, since: str, until: str) -> None:
    found = span("containerd", symbol)

    assert (found.since, found.until) == (since, until)


def test_what_no_line_has_is_nothing() -> None:
    assert history("containerd").span("containerd.task.v4.Task") is None
    assert history("nobody").span("containerd.task.v2.Task") is None


def test_the_oldest_line_may_not_be_the_first() -> None:
    assert span("containerd", "containerd.task.v2.Task").oldest
    assert not span("containerd", "containerd.task.v3.Task").oldest


def test_the_branch_main_comes_last_and_has_no_tag() -> None:
    found = span("cgroups", "io.containerd.cgroups.v1.Metrics")

    assert found.newest
    assert found.last.name == "cgroups@main"


def test_an_unknown_number_is_blamed_on_the_line_that_knows_it() -> None:
    [found] = field_by_number("containerd.runc.v1.Options", 12)

    assert (found.name, found.type) == ("task_api_address", "string")
    assert found.span.since == "containerd@1.7 (1.7.34)"


def test_a_number_that_changed_its_type_has_both() -> None:
    found = field_by_number("containerd.services.events.ttrpc.v1.ForwardRequest", 1)

    assert [(field.type, field.span.since, field.span.until) for field in found] == [
        (
            "containerd.services.events.ttrpc.v1.Envelope",
            "containerd@1.3 (1.3.10)",
            "containerd@1.6 (1.6.39)",
        ),
        ("containerd.types.Envelope", "containerd@1.7 (1.7.34)", ""),
    ]


def test_another_projects_message_is_found_too() -> None:
    [found] = field_by_number("nri.pkg.api.v1alpha1.Container", 22)

    assert (found.name, found.span.since) == ("image", "nri@0.12 (0.12.5)")


def test_a_number_that_nobody_knows_is_blamed_on_nobody() -> None:
    assert field_by_number("containerd.runc.v1.Options", 999) == []
    assert field_by_number("no.such.Message", 1) == []


def test_a_users_line_is_part_of_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is seen although the project was asked about before."""
    before = span("ttrpc", "ttrpc.Request")
    root = tmp_path / "ttrpc" / "0.9"
    root.mkdir(parents=True)
    (root / "request.proto").write_text(
        'syntax = "proto3"; package ttrpc; message Request { string service = 1; }'
    )
    (tmp_path / "vendor.toml").write_text('[ttrpc."0.9"]\ntag = "v0.9.1"\n')
    monkeypatch.setenv("TTRPC_VENDOR", str(tmp_path))

    found = span("ttrpc", "ttrpc.Request")

    assert before.since == "ttrpc@main"
    assert found.since == "ttrpc@0.9 (0.9.1)"
    assert span("ttrpc", "ttrpc.Request.method").since == "ttrpc@main"
