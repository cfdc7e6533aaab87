"""Loading: what a name stands for, and that the same content is the same schema."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.schema.protos import write_files
from toolkit.errors import (
    CompileError,
    ReleaseNotFound,
    SchemaError,
    SourceNotFound,
    SymbolNotFound,
)

if TYPE_CHECKING:
    from pathlib import Path

ECHO = """syntax = "proto3";
package echo;
service Echo { rpc Say (Text) returns (Text); }
message Text { string text = 1; }
"""


def write(folder: Path, text: str = ECHO) -> Path:
    write_files(folder, {"echo.proto": text})
    return folder / "echo.proto"


def test_a_release_loads_by_its_name() -> None:
    schema = toolkit.load("containerd@2.3")

    assert schema.name == "containerd@2.3"
    assert schema.release in toolkit.releases()


def test_a_project_alone_is_its_newest_line() -> None:
    assert toolkit.load("containerd") is toolkit.load("containerd@2.4")


def test_a_path_loads_as_text_and_as_a_path(tmp_path: Path) -> None:
    path = write(tmp_path)

    assert toolkit.load(path) is toolkit.load(str(path))
    assert toolkit.load(path).release is None


def test_a_file_beside_us_needs_no_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    monkeypatch.chdir(tmp_path)

    assert toolkit.load("echo.proto").service("echo.Echo")
    assert toolkit.load(".").service("echo.Echo")


def test_roots_are_where_imports_start(tmp_path: Path) -> None:
    path = write(tmp_path / "deep" / "down")

    schema = toolkit.load(path, roots=[str(tmp_path)])

    assert schema.file_protos()[0].name == "deep/down/echo.proto"


def test_the_same_content_is_the_same_schema(tmp_path: Path) -> None:
    one, other = write(tmp_path / "one"), write(tmp_path / "other")

    assert toolkit.load(one) is toolkit.load(one)
    assert toolkit.load(one) is toolkit.load(other)


def test_changed_content_is_another_schema_until_it_is_changed_back(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = toolkit.load(path)

    write(tmp_path, ECHO.replace("string", "bytes"))
    second = toolkit.load(path)
    write(tmp_path)
    third = toolkit.load(path)

    assert second is not first
    assert third is first


def test_a_changed_comment_is_changed_content(tmp_path: Path) -> None:
    path = write(tmp_path, ECHO.replace("message", "// Old.\nmessage"))
    first = toolkit.load(path).comments("echo.Text")

    write(tmp_path, ECHO.replace("message", "// New.\nmessage"))

    assert (first, toolkit.load(path).comments("echo.Text")) == ("Old.", "New.")


def test_releases_that_are_equal_keep_their_names() -> None:
    assert toolkit.load("kata@2.5").name == "kata@2.5"
    assert toolkit.load("kata@3.0").name == "kata@3.0"


def test_every_release_has_a_pool_of_its_own() -> None:
    schemas = [toolkit.load(release.name) for release in toolkit.releases()]

    requests = [
        schema.service("containerd.task.v2.Task")["State"].request(id="web")
        for schema in schemas
        if "containerd.task.v2.Task" in {service.name for service in schema.services()}
    ]

    assert len({id(schema.pool) for schema in schemas}) == len(schemas)
    assert len(requests) == 11
    assert len({type(request) for request in requests}) == 11
    assert {request.SerializeToString() for request in requests} == {b"\n\x03web"}


def test_threads_that_load_the_same_get_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, ECHO.replace("Text", "Word"))
    start = threading.Barrier(8)
    found: list[object] = []

    def work() -> None:
        start.wait()
        found.append(toolkit.load(path))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(map(id, found))) == 1


def test_an_unknown_release_names_the_nearest() -> None:
    with pytest.raises(ReleaseNotFound) as caught:
        toolkit.load("containerd@9.9")

    assert any(name.startswith("containerd@") for name in caught.value.nearest)


def test_a_folder_that_is_spelt_as_a_release_is_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "protos")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ReleaseNotFound) as caught:
        toolkit.load("protos")

    assert caught.value.nearest[0] == "./protos"


def test_a_path_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path)

    with pytest.raises(SourceNotFound) as caught:
        toolkit.load(tmp_path / "ecko.proto")

    assert caught.value.nearest == (str(tmp_path / "echo.proto"),)


def test_errors_in_a_file_come_with_their_places(tmp_path: Path) -> None:
    path = write(tmp_path, 'syntax = "proto3";\nmessage A { Nope a = 1; }\n')

    with pytest.raises(CompileError) as caught:
        toolkit.load(path)

    assert (caught.value.file, caught.value.line, caught.value.column) == (str(path), 2, 13)


def test_a_file_that_is_no_schema_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")

    with pytest.raises(SchemaError, match=r"picture\.png"):
        toolkit.load(path)


def test_a_symbol_that_others_have_names_them() -> None:
    with pytest.raises(SymbolNotFound) as caught:
        toolkit.load("containerd@1.6").service("containerd.task.v3.Task")

    assert caught.value.elsewhere == tuple(f"containerd@{line}" for line in LINES_WITH_V3)
    assert caught.value.nearest[0] == "containerd.task.v2.Task"


LINES_WITH_V3 = ("1.7", "2.0", "2.1", "2.2", "2.3", "2.4")


def test_a_companion_has_the_types_of_anys(tmp_path: Path) -> None:
    metrics = "io.containerd.cgroups.v1.Metrics"
    schema = toolkit.load("containerd@2.4")

    assert schema.lookup(metrics) is not None
    assert toolkit.load(write(tmp_path)).lookup(metrics) is not None
    with pytest.raises(SymbolNotFound):
        schema.message(metrics)


def test_a_companion_that_is_not_there_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "mine" / "1.0", ECHO.replace("echo", "mine"))
    record = '[mine."1.0"]\ncompanions = ["no@1.0", "cgroups@3.0"]\n'
    write_files(tmp_path, {"vendor.toml": record})
    monkeypatch.setenv("TTRPC_VENDOR", str(tmp_path))

    schema = toolkit.load("mine@1.0")

    assert [companion.name for companion in schema.companions] == ["cgroups@3.0"]
    assert "no@1.0" in caplog.text


# What a call has to load before its first byte; each of these costs it milliseconds.
HEAVY = (
    "asyncio",
    "dataclasses",
    "difflib",
    "google.protobuf.descriptor_pb2",
    "google.protobuf.json_format",
    "grpc",
    "grpc_tools",
    "hashlib",
    "json",
    "logging",
    "subprocess",
    "tempfile",
    "tomllib",
)


def test_a_warm_load_imports_nothing_heavy() -> None:
    script = f"""
import sys, toolkit
schema = toolkit.load("containerd@2.3")
schema.service("containerd.task.v3.Task")["State"].request(id="web")
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    toolkit.load("containerd@2.3")  # fills the cache

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
    assert done.stderr == ""
