"""``ttrpc describe``: symbols as source, as JSON, and as a request to fill in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor import Descriptor

import toolkit
from tests.cli.command import serving, ttrpc
from tests.cli.schemas import FORMS, arguments
from toolkit.cli.template import template

if TYPE_CHECKING:
    from pathlib import Path

ZOO = """
syntax = "proto2";
package zoo;
message Animal {
  extensions 100 to 199;
  required string name = 1;
  oneof size { int64 grams = 2; Animal parent = 3; }
  optional group Cage = 4 { optional bytes key = 1; }
  map<int32, Animal> friends = 5;
  enum Kind { CAT = 0; DOG = 1; }
  extend Animal { optional string inner = 101; }
}
extend Animal { optional string outer = 100; }
enum Colour { RED = 0; }
service Keeper { rpc Feed (Animal) returns (stream Animal); }
"""


def without_comments(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip() and not line.strip().startswith("//"))


@pytest.fixture
def zoo(tmp_path: Path) -> list[str]:
    path = tmp_path / "zoo.proto"
    path.write_text(ZOO)
    return ["-s", str(path)]


@pytest.mark.parametrize("form", FORMS)
def test_a_message_is_described_from_every_form_of_schema(form: str, tmp_path: Path) -> None:
    outcome = ttrpc("describe", "containerd.task.v3.KillRequest", *arguments(form, tmp_path))

    assert outcome.code == 0
    assert (
        "  // The container to signal; NOT_FOUND if the shim has none of that id.\n" in outcome.out
    )
    assert without_comments(outcome.out) == (
        "containerd.task.v3.KillRequest is a message:\n"
        "message KillRequest {\n"
        "  string id = 1;\n"
        "  string exec_id = 2;\n"
        "  uint32 signal = 3;\n"
        "  bool all = 4;\n"
        "}\n"
    )


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("zoo.Animal", "a message"),
        ("zoo.Animal.name", "a field"),
        ("zoo.Animal.cage", "a group field"),
        ("zoo.Animal.FriendsEntry", "the entry type for a map field"),
        ("zoo.Animal.size", "a one-of"),
        ("zoo.Animal.Kind", "an enum"),
        ("zoo.Animal.DOG", "an enum value"),
        ("zoo.RED", "an enum value"),
        ("zoo.outer", "an extension"),
        ("zoo.Animal.inner", "an extension"),
        ("zoo.Keeper", "a service"),
        ("zoo.Keeper.Feed", "a method"),
    ],
)
def test_every_kind_of_symbol_is_described_in_source_and_json(
    zoo: list[str], symbol: str, kind: str
) -> None:
    text, parsed = ttrpc("describe", symbol, *zoo), ttrpc("describe", symbol, "--json", *zoo)

    first, *source = text.out.splitlines()
    assert first == f"{symbol} is {kind}:"
    assert symbol.rpartition(".")[2].lower() in "\n".join(source).lower()
    found = json.loads(parsed.out)
    assert found["name"] == symbol
    assert found["descriptor"]["name"] == symbol.rpartition(".")[2]


@pytest.mark.parametrize(
    "symbol", ["zoo.Keeper/Feed", ".zoo.Keeper/Feed", ".zoo.Keeper.Feed", "zoo.Keeper.Feed"]
)
def test_a_method_is_found_however_it_is_written(zoo: list[str], symbol: str) -> None:
    assert ttrpc("describe", symbol, *zoo).out.startswith("zoo.Keeper.Feed is a method:\n")


def test_without_a_symbol_every_service_is_described() -> None:
    outcome = ttrpc("describe", "-s", "nri@0.12")

    headings = [line for line in outcome.out.splitlines() if line.endswith(" is a service:")]
    assert len(headings) == len(toolkit.load("nri@0.12").services())


def test_a_symbol_that_is_nowhere_names_the_nearest() -> None:
    outcome = ttrpc("describe", "containerd.task.v3.KilRequest")

    assert outcome.code == 1
    assert "did you mean containerd.task.v3.KillRequest" in outcome.err


def test_an_address_may_come_before_the_symbol() -> None:
    with serving() as address:
        outcome = ttrpc("describe", address, "containerd.task.v3.Task", "-s", "containerd@2.3")

    assert outcome.out.startswith("containerd.task.v3.Task is a service:\n")
    assert outcome.err == ""


@pytest.mark.parametrize("release", [release.name for release in toolkit.releases()])
def test_the_template_of_every_message_is_a_message(release: str) -> None:
    schema = toolkit.load(release)
    messages = [d for d in schema.symbols().values() if isinstance(d, Descriptor)]
    assert messages

    for message in messages:
        if not message.GetOptions().map_entry:
            schema.from_json(message.full_name, template(message))


def test_a_template_has_one_of_each_and_stops_at_itself(zoo: list[str]) -> None:
    outcome = ttrpc("describe", "zoo.Animal", "--msg-template", *zoo)

    _, _, found = outcome.out.partition("\n\nMessage template:\n")
    assert json.loads(found) == {
        "name": "",
        "grams": "0",
        "cage": {"key": ""},
        "friends": {"0": {}},
    }


def test_a_method_s_template_is_its_request(zoo: list[str]) -> None:
    outcome = ttrpc("describe", "zoo.Keeper/Feed", "--msg-template", *zoo)

    assert '"grams": "0"' in outcome.out


def test_a_service_has_no_template(zoo: list[str]) -> None:
    outcome = ttrpc("describe", "zoo.Keeper", "--msg-template", *zoo)

    assert outcome.code == 1
    assert "wants a message or a method" in outcome.err


def test_the_template_is_in_the_json_too(zoo: list[str]) -> None:
    outcome = ttrpc("describe", "zoo.Keeper/Feed", "--msg-template", "--json", *zoo)

    assert json.loads(outcome.out)["template"]["grams"] == "0"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("StateRequest", "containerd.task.v3.StateRequest"),
        ("Mount", "containerd.types.Mount"),
        ("TransferRequest", "containerd.services.transfer.v1.TransferRequest"),
    ],
)
def test_a_type_goes_by_its_last_name_where_one_has_it(name: str, full: str) -> None:
    assert ttrpc("describe", name, "-s", "containerd@2.4").out.startswith(f"{full} is ")


@pytest.mark.parametrize(
    ("message", "field", "url"),
    [
        ("ExecProcessRequest", "spec", "types.containerd.io/opencontainers/runtime-spec/1/Process"),
        (
            "UpdateTaskRequest",
            "resources",
            "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources",
        ),
        ("CreateTaskRequest", "options", "containerd.runc.v1.Options"),
    ],
)
def test_the_any_of_a_template_is_what_containerd_puts_there(
    message: str, field: str, url: str
) -> None:
    name = f"containerd.task.v3.{message}"

    outcome = ttrpc("describe", name, "--msg-template", "--json")

    assert json.loads(outcome.out)["template"][field]["@type"] == url
