"""Services and methods: names, kinds, classes, and what a miss says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.schema.protos import write_files
from toolkit.errors import SymbolNotFound
from toolkit.schema.method import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from toolkit.schema.pool import Schema

TASK = "containerd.task.v3.Task"


@pytest.fixture(scope="module")
def schema() -> Schema:
    return toolkit.load("containerd@2.3")


def test_a_method_knows_its_names_and_its_service(schema: Schema) -> None:
    service = schema.service(TASK)

    state = service["State"]

    assert state.name == "State"
    assert state.path == "/containerd.task.v3.Task/State"
    assert state.full_name == "containerd.task.v3.Task.State"
    assert state.service is service
    assert service.schema is schema


def test_its_classes_are_the_schemas_own(schema: Schema) -> None:
    state = schema.service(TASK)["State"]

    assert state.request is schema.message("containerd.task.v3.StateRequest")
    assert state.reply is schema.message("containerd.task.v3.StateResponse")


def test_methods_come_in_the_order_of_their_declaration(schema: Schema) -> None:
    service = schema.service(TASK)

    assert [method.name for method in service][:4] == ["State", "Create", "Start", "Delete"]
    assert len(service) == len(service.methods) == 17
    assert "Stats" in service
    assert "Stat" not in service


def test_a_missing_method_names_the_nearest_and_the_schema(schema: Schema) -> None:
    with pytest.raises(SymbolNotFound) as caught:
        schema.service(TASK)["Stat"]

    error = caught.value
    assert (error.kind, error.name, error.schema) == ("method", f"{TASK}/Stat", "containerd@2.3")
    assert f"{TASK}/State" in error.nearest
    assert f"{TASK}/Stats" in error.nearest


def test_a_method_that_another_release_has_is_told(schema: Schema) -> None:
    sandbox = "containerd.runtime.sandbox.v1.Sandbox"

    with pytest.raises(SymbolNotFound) as caught:
        toolkit.load("containerd@1.7").service("containerd.services.mounts.v1.Mounts")
    assert "containerd@2.4" in caught.value.elsewhere

    assert "SandboxMetrics" in schema.service(sandbox)


STREAMS = """syntax = "proto3";
package streams;
message Unit {}
service Streams {
  rpc One (Unit) returns (Unit);
  rpc Up (stream Unit) returns (Unit);
  rpc Down (Unit) returns (stream Unit);
  rpc Both (stream Unit) returns (stream Unit);
}
"""


def test_the_kind_says_which_sides_stream(tmp_path: Path) -> None:
    folder = write_files(tmp_path, {"streams.proto": STREAMS})

    service = toolkit.load(folder / "streams.proto").service("streams.Streams")

    kinds = {method.name: method.kind for method in service}
    assert kinds == {
        "One": Kind.UNARY,
        "Up": Kind.CLIENT_STREAMING,
        "Down": Kind.SERVER_STREAMING,
        "Both": Kind.BIDI,
    }
    assert [kind.client_streaming for kind in Kind] == [False, True, False, True]
    assert [kind.server_streaming for kind in Kind] == [False, False, True, True]


def test_the_module_alone_loads_no_protobuf() -> None:
    script = "import sys, toolkit.schema.method; print('google.protobuf' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
