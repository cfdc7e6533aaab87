"""Our own words: read from ``docs``, printed into every line that has the symbol, and complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.vendoring.trees import plant
from toolkit.errors import SchemaError
from toolkit.resources import data_dir
from toolkit.schema.history import history
from toolkit.schema.load import load
from toolkit.schema.releases import releases
from toolkit.schema.vendoring.sync import sync, tree_source
from toolkit.schema.vendoring.text import described
from toolkit.schema.vendoring.words import read_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VENDOR = data_dir("vendor")

SERVICES = [
    "containerd.task.v2.Task",
    "containerd.task.v3.Task",
    "containerd.runtime.sandbox.v1.Sandbox",
    "containerd.services.events.ttrpc.v1.Events",
    "containerd.services.events.v1.Events",
    "containerd.services.streaming.v1.Streaming",
    "containerd.services.transfer.v1.Transfer",
    "nri.pkg.api.v1alpha1.Plugin",
    "nri.pkg.api.v1alpha1.Runtime",
    "grpc.AgentService",
]
PACKAGES = [
    "containerd.task.v2",
    "containerd.task.v3",
    "containerd.runtime.sandbox.v1",
    "containerd.runtime.bootstrap.v1",
    "containerd.runc.v1",
]


@pytest.fixture(scope="module")
def words() -> Mapping[str, str]:
    found = read_words(VENDOR)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def symbols() -> Mapping[str, object]:
    """Every symbol of every line that we ship."""
    return {
        name: descriptor
        for release in releases()
        for name, descriptor in load(release.name).symbols().items()
    }


@pytest.mark.parametrize("service", SERVICES)
def test_every_method_of_a_service_that_people_call_has_words(
    service: str, words: Mapping[str, str], symbols: Mapping[str, object]
) -> None:
    methods = [name for name in symbols if name.rpartition(".")[0] == service]

    assert methods
    assert [name for name in [service, *methods] if name not in words] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_field_of_what_people_fill_in_has_words(
    package: str, words: Mapping[str, str], symbols: Mapping[str, object]
) -> None:
    fields = [
        name
        for name, one in symbols.items()
        if name.startswith(f"{package}.") and hasattr(one, "number") and _is_field(one)
    ]

    assert fields
    assert [name for name in fields if name not in words] == []


def _is_field(descriptor: object) -> bool:
    message = getattr(descriptor, "containing_type", None)
    return message is not None and not message.GetOptions().map_entry


def test_words_are_of_symbols_that_a_line_has(
    words: Mapping[str, str], symbols: Mapping[str, object]
) -> None:
    assert [name for name in words if name not in symbols] == []


def test_words_are_plain_and_fit_a_terminal(words: Mapping[str, str]) -> None:
    for name, text in words.items():
        assert text.isascii(), name
        assert max(map(len, text.splitlines())) <= 72, name
        assert text.rstrip().endswith((".", ":", "]", "}")), name


def test_a_key_in_braces_stands_for_each(tmp_path: Path) -> None:
    plant(tmp_path, {"docs/a.toml": '"{a,b}.{v1, v2}.M" = "Says\\nit.\\n\\nTwice."\n'})

    assert read_words(tmp_path) == dict.fromkeys(
        ["a.v1.M", "a.v2.M", "b.v1.M", "b.v2.M"], "Says it.\n\nTwice."
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('"a.M" = 1', r"'a\.M' is 1; wanted some words"),
        ('"a.M" = " "', r"wanted some words"),
        ("a.M = ", "cannot read"),
        ('"{a,a}.M" = "Twice."', r"'a\.M' has words already"),
    ],
)
def test_words_that_make_no_sense_are_refused(text: str, problem: str, tmp_path: Path) -> None:
    plant(tmp_path, {"docs/a.toml": text})

    with pytest.raises(SchemaError, match=problem):
        read_words(tmp_path)


def test_a_folder_without_docs_has_no_words(tmp_path: Path) -> None:
    assert read_words(tmp_path) is None


def test_a_symbol_says_since_when_it_is_there_unless_what_holds_it_does() -> None:
    said = described(load("containerd@2.4"), {"containerd.runc.v1.Options": "Words."},
                     history("containerd"))  # fmt: skip

    assert said["containerd.runc.v1.Options"] == "Words."
    assert said["containerd.runc.v1.Options.task_api_address"] == "Since containerd@1.7 (1.7.34)."
    assert said["containerd.task.v3.StateRequest"] == "Since containerd@1.7 (1.7.34)."
    assert "containerd.task.v3.StateRequest.id" not in said


def test_an_old_line_says_until_when_something_was_there() -> None:
    said = described(load("containerd@1.6"), {}, history("containerd"))

    assert said["containerd.runtime.linux.shim.v1.Shim"] == "Until containerd@1.7 (1.7.34)."


def test_a_folder_with_docs_has_its_words_and_not_the_source_s(tmp_path: Path) -> None:
    vendor = plant(tmp_path / "vendor", {"docs/a.toml": '"mine.M.new" = "Our words."\n'})
    first = 'syntax = "proto3"; package mine; message M { string id = 1; }'
    second = """\
        // A licence.
        syntax = "proto3"; package mine;
        // Their words.
        message M {
          string id = 1;
          bool new = 2;  // Theirs too.
        }"""
    for line, text in (("1", first), ("2", second)):
        tree = plant(tmp_path / line, {"m.proto": text})
        sync(f"mine@{line}", tree_source(f"mine@{line}", tree, []), vendor, tag=f"v{line}.3")

    text = (vendor / "mine" / "2" / "m.proto").read_text()
    assert "  // Our words.\n  // Since mine@2 (2.3).\n  bool new = 2;\n" in text
    assert "heir" not in text
    assert "licence" not in text
    assert "source = " not in (vendor / "vendor.toml").read_text()
