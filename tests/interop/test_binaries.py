"""What is in the binaries of containerd and its shims is what is vendored for their lines."""

from __future__ import annotations

import functools
import gzip
import io
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import toolkit
from tests.interop.needs import unavailable
from tests.interop.peers import INTEROP, program
from toolkit.errors import NoSchema
from toolkit.schema.binary import BinarySource
from toolkit.schema.compare import differences, structure_of
from toolkit.schema.files import read_name
from toolkit.schema.likeness import likeness, nearest_releases
from toolkit.schema.vendoring.sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.schema.pool import Schema

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

EXPECTED: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (INTEROP / "differences.toml").read_text()
)
DEBIAN = b"1.6.20~ds1"  # Debian 12's version, which containerd and its shim have in them


class Binary(NamedTuple):
    """An executable, and the vendored line that its source is of."""

    name: str
    path: Path
    line: str

    @property
    def is_shim(self) -> bool:
        return self.path.name == "containerd-shim-runc-v2"


SHIMS = [
    Binary("debian/shim", Path("/usr/bin/containerd-shim-runc-v2"), "1.6"),
    *(
        # The path now: where the peers are depends on a variable that the tests set.
        Binary(f"runc-shim/{line}", program(f"runc-shim/{line}/containerd-shim-runc-v2"), line)
        for line in ("1.5", "1.7", "2.0", "2.1", "2.2", "2.3", "2.4")
    ),
]
DAEMONS = [
    Binary("debian/containerd", Path("/usr/bin/containerd"), "1.6"),
    Binary("containerd/2.4", program("containerd/2.4/containerd"), "2.4"),
]
BINARIES = SHIMS + DAEMONS
RUST = program("rust/peer-sync")
RUST_WITH_MESSAGES = program("rust/shim-task")

every_binary = pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.name)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing of what earlier runs have found counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@functools.cache
def content(binary: Binary) -> bytes:
    if not binary.path.is_file():
        unavailable(f"{binary.path} is not there")
    data = binary.path.read_bytes()
    if binary.name.startswith("debian/") and DEBIAN not in data:
        unavailable(f"{binary.path} is not {DEBIAN.decode()}, that of Debian 12")
    return data


def schema_in(binary: Binary) -> Schema:
    content(binary)  # sees to it that it is there
    return toolkit.load(f"binary:{binary.path}")


def own_line(binary: Binary) -> Schema:
    return toolkit.load(f"containerd@{binary.line}")


def expected(binary: Binary) -> list[str]:
    return [text for group in EXPECTED.get(binary.name, []) for text in group["texts"]]


@every_binary
def test_it_is_its_line_but_for_the_differences_that_are_explained(binary: Binary) -> None:
    result = likeness(schema_in(binary), own_line(binary))

    assert sorted(one.text for one in result.differences) == sorted(expected(binary))


@every_binary
def test_none_of_containerds_types_in_it_is_left_out_of_the_comparison(binary: Binary) -> None:
    line = own_line(binary)
    known = set().union(*(schema.symbols() for schema in (line, *line.companions)))

    symbols = schema_in(binary).symbols()
    ours = {
        name
        for name in symbols
        if name.startswith("containerd.") and name.rpartition(".")[0] not in symbols
    }

    assert len(ours) > 50
    assert {f"message {name} added" for name in ours - known} <= set(expected(binary))


@pytest.mark.parametrize("name", EXPECTED)
def test_the_versions_that_explain_a_difference_are_in_the_binary(name: str) -> None:
    [binary] = [binary for binary in BINARIES if binary.name == name]
    data = content(binary)

    for group in EXPECTED[name]:
        assert group["reason"]
        # As `go version -m` shows them: Go keeps the lines as text.
        lines = [
            f"dep\t{module}\t{version}\t" for module, version in group.get("linked", {}).items()
        ]
        wanted = [group["holds"]] if "holds" in group else lines
        assert wanted
        assert [text for text in wanted if text.encode() not in data] == []


@pytest.mark.parametrize(
    "binary",
    [
        pytest.param(
            binary,
            id=binary.name,
        )
        for binary in BINARIES
    ],
)
def test_the_nearest_release_is_its_line_or_one_that_is_equal_in_what_it_holds(
    binary: Binary,
) -> None:
    nearest, *others = nearest_releases(schema_in(binary))["containerd"]

    equal = {one.release.name for one in others if not one.differences and not nearest.differences}
    assert own_line(binary).name in {nearest.release.name} | equal


@pytest.mark.parametrize("binary", SHIMS, ids=lambda binary: binary.name)
def test_a_shims_task_service_is_that_of_its_line_and_has_17_methods(binary: Binary) -> None:
    services = [one for one in schema_in(binary).services() if one.name.endswith(".Task")]

    version = "v2" if binary.line.startswith("1.") else "v3"
    assert [service.name for service in services] == [f"containerd.task.{version}.Task"]
    assert len(services[0]) == 17


@every_binary
def test_the_report_tells_where_each_file_is_and_how_it_is_packed(binary: Binary) -> None:
    data = content(binary)
    report = BinarySource(str(binary.path)).report()

    for one in report:
        if one.kind == "gzip":
            with gzip.open(io.BytesIO(data[one.offset :])) as packed:
                found = packed.read(one.size)
        else:
            assert one.kind == "raw"
            found = data[one.offset : one.offset + one.size]
        assert (read_name(found), len(found)) == (one.name, one.size)
        assert str(one).startswith(f"{one.offset:#010x}  {one.kind}")
    # gogo's generator packs, that of protobuf since Go has APIv2 does not.
    kinds = {one.kind for one in report if "containerd/" in one.name or "runtime/" in one.name}
    assert kinds == {"gzip" if binary.line in ("1.5", "1.6") else "raw"}


@every_binary
def test_the_report_has_every_file_of_the_schema(binary: Binary) -> None:
    report = BinarySource(str(binary.path)).report()
    files = {name for name in schema_in(binary).files() if not name.startswith("google/protobuf/")}

    used = {one.name for one in report if one.used}
    renamed = {Path(one.name).name for one in report if one.note.startswith("called ")}
    assert {name for name in files - used if Path(name).name not in renamed} == set()
    assert len(files) > 15


@pytest.mark.parametrize("path", [RUST, Path(sys.executable)], ids=["Rust", "Python"])
def test_programs_without_descriptors_give_no_schema(path: Path) -> None:
    if not path.is_file():
        unavailable(f"{path} is not there")

    with pytest.raises(NoSchema, match="no descriptors in it"):
        toolkit.load(f"binary:{path}")


def test_a_rust_program_may_carry_messages_and_no_service() -> None:
    """The crate's, once a program prints its messages; a server's schema is then looked for on."""
    if not RUST_WITH_MESSAGES.is_file():
        unavailable(f"{RUST_WITH_MESSAGES} is not there")

    schema = toolkit.load(f"binary:{RUST_WITH_MESSAGES}")

    assert schema.services() == []
    assert schema.message("containerd.events.TaskStart") is not None


def test_a_library_in_c_plus_plus_tells_its_schema() -> None:
    """Grpcio's own, which carries what it speaks with proxies and load balancers."""
    from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs leave it out

    schema = toolkit.load(f"binary:{cygrpc.__file__}")

    assert len(schema.files()) > 50
    assert "grpc.channelz.v1.Channelz" in [service.name for service in schema.services()]


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.name)
def test_what_a_program_carries_becomes_a_release(binary: Binary, tmp_path: Path) -> None:
    """By its path alone; what is written compiles, and is what the program has of the project."""
    if not binary.path.exists():
        unavailable(f"there is no {binary.path} here")
    source = BinarySource(str(binary.path))

    done = sync("containerd@9.9", source, tmp_path, program=True)

    line, carried = toolkit.load(done.release.root), toolkit.load(f"binary:{binary.path}")
    assert done.files == sum(not name.startswith("google/protobuf/") for name in line.files())
    assert {service.name for service in line.services()} == {
        service.name for service in carried.services() if service.name.startswith("containerd.")
    }
    old = structure_of(carried)
    assert [one.text for one in differences(old, line) if one.kind != "removed"] == []
