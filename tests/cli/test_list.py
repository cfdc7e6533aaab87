"""``ttrpc list`` and ``ttrpc releases``: what there is to call, and where it comes from."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.cli.command import serving, ttrpc
from tests.cli.schemas import FORMS, arguments

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("form", FORMS)
def test_services_are_listed_from_every_form_of_schema(form: str, tmp_path: Path) -> None:
    outcome = ttrpc("list", *arguments(form, tmp_path))

    assert outcome.code == 0
    assert "containerd.task.v3.Task" in outcome.out.split()
    assert outcome.err == ""


@pytest.mark.parametrize("form", FORMS)
def test_methods_are_listed_from_every_form_of_schema(form: str, tmp_path: Path) -> None:
    outcome = ttrpc("list", "containerd.task.v3.Task", *arguments(form, tmp_path))

    names = outcome.out.split()
    assert len(names) == 17
    assert names == sorted(names)
    assert names[-1] == "containerd.task.v3.Task.Wait"


def test_without_a_schema_the_newest_containerd_is_listed() -> None:
    expected = [service.name for service in toolkit.load("containerd").services()]

    assert ttrpc("list").out.split() == expected


def test_a_service_of_another_project_is_found() -> None:
    outcome = ttrpc("list", "nri.pkg.api.v1alpha1.Runtime", "-v")

    assert "nri.pkg.api.v1alpha1.Runtime.RegisterPlugin\n" in outcome.out
    assert "Schema: nri@0.12" in outcome.err


def test_a_leading_dot_is_fine() -> None:
    plain, dotted = (
        ttrpc("list", "containerd.task.v3.Task"),
        ttrpc("list", ".containerd.task.v3.Task"),
    )

    assert plain == dotted


def test_of_two_schemas_the_earlier_wins() -> None:
    outcome = ttrpc(
        "list", "containerd.task.v2.Task", "--json", "-s", "containerd@1.5", "-s", "containerd@1.6"
    )

    assert json.loads(outcome.out)["schema"] == "containerd@1.5"


def test_the_services_of_two_schemas_are_listed_together() -> None:
    outcome = ttrpc("list", "-s", "nri@0.12", "-s", "containerd@2.4")

    names = outcome.out.split()
    assert {"nri.pkg.api.v1alpha1.Plugin", "containerd.task.v3.Task"} <= set(names)
    assert names == sorted(names)


def test_json_tells_all_about_a_service() -> None:
    outcome = ttrpc(
        "list", "containerd.services.events.v1.Events", "--json", "-s", "containerd@2.3"
    )

    found = json.loads(outcome.out)
    assert found["name"] == "containerd.services.events.v1.Events"
    assert found["methods"][-1] == {
        "name": "Subscribe",
        "path": "/containerd.services.events.v1.Events/Subscribe",
        "kind": "server_streaming",
        "request": "containerd.services.events.v1.SubscribeRequest",
        "reply": "containerd.types.Envelope",
    }


def test_json_of_all_services_is_a_list() -> None:
    found = json.loads(ttrpc("list", "--json").out)

    assert [service["name"] for service in found] == ttrpc("list").out.split()


@pytest.mark.parametrize("argv", [["list"], ["list", "Task"], ["describe", "Task"]])
def test_a_peer_that_tells_nothing_and_has_nothing_known_is_a_failure(argv: list[str]) -> None:
    verb, *name = argv
    with serving() as address:
        outcome = ttrpc(verb, address, *name)

    assert (outcome.code, outcome.out) == (1, "")
    assert f"{address} does not tell what it serves: it has none of the " in outcome.err
    assert "-s names its schema" in outcome.err


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_without_probing_the_newest_release_stands_in_for_a_name_and_that_is_said(
    verb: str,
) -> None:
    with serving() as address:
        outcome = ttrpc(verb, address, "Task", "--no-probe")

    assert outcome.code == 0
    assert outcome.err == "Note: this is containerd@2.4; the peer does not tell what it serves.\n"
    assert "containerd.task.v3.Task" in outcome.out


@pytest.mark.parametrize("verb", ["list", "describe"])
def test_without_probing_nothing_is_made_up_for_a_peer_that_tells_nothing(verb: str) -> None:
    with serving() as address:
        outcome = ttrpc(verb, address, "--no-probe")

    assert (outcome.code, outcome.out) == (1, "")
    assert "does not tell what it serves, and it was not to be probed" in outcome.err


def test_with_a_schema_there_is_nothing_to_be_said_of_the_peer() -> None:
    with serving() as address:
        outcome = ttrpc("list", address, "-s", "nri@0.12")

    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("verb", ["list", "describe"])
@pytest.mark.parametrize("address", ["unix:///no/such.sock", "./no-such.sock", "unix:/no/such"])
def test_an_address_where_nobody_is_is_a_failure(verb: str, address: str) -> None:
    outcome = ttrpc(verb, address)

    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.startswith("ttrpc: cannot connect to unix:///")
    assert "such" in outcome.err


def test_a_service_goes_by_its_last_name_where_one_has_it() -> None:
    assert ttrpc("list", "Task") == ttrpc("list", "containerd.task.v3.Task")


def test_a_last_name_that_several_services_have_wants_the_full_one() -> None:
    outcome = ttrpc("list", "Events")

    assert outcome.code == 1
    assert "\n  containerd.services.events.v1.Events" in outcome.err


def test_a_schema_without_services_says_so_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; message A {}')

    outcome = ttrpc("list", "-s", tmp_path / "a.proto")

    assert outcome == (0, "", "(No services)\n")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["containerd.task.v3.Tsk"], "did you mean containerd.task.v3.Task"),
        (["containerd.task.v3.Task", "-s", "containerd@1.6"], "it is in containerd@1.7"),
        (["no.such.Service"], "no vendored release has a service 'no.such.Service'"),
        (
            ["a.B", "-s", "nri@0.12", "-s", "nri@0.11"],
            "none of nri@0.12 and nri@0.11 has a service",
        ),
        (["-s", "containerd@9.9"], "no vendored release 'containerd@9.9'; did you mean"),
        (["-s", "./no-such.proto"], "no file or directory 'no-such.proto'"),
        (["-s", "2.3"], "did you mean containerd@2.3"),
        (["-s", "v2.3"], "did you mean containerd@2.3"),
        (["-s", "containerd:2.3"], "did you mean containerd@2.3"),
        (["-s", "/etc/passwd"], "/etc/passwd: neither .proto text nor a descriptor set"),
    ],
)
def test_a_name_that_is_not_there_exits_1_with_what_comes_closest(
    argv: list[str], says: str
) -> None:
    outcome = ttrpc("list", *argv)

    assert outcome.code == 1
    assert outcome.out == ""
    assert says in outcome.err


def test_import_roots_without_a_schema_are_warned_about() -> None:
    assert "Warning: -I has no effect without -s." in ttrpc("list", "-I", "/tmp").err


def test_releases_are_a_table_of_names_tags_and_commits() -> None:
    outcome = ttrpc("releases")

    header, *lines = outcome.out.splitlines()
    assert header.split() == ["RELEASE", "TAG", "COMMIT"]
    names = [line.split()[0] for line in lines]
    assert sorted(names) == sorted(r.name for r in toolkit.releases())
    assert names.index("cgroups@3.0") + 1 == names.index("cgroups@3.0.2")
    assert names.index("containerd@1.2") < names.index("containerd@2.4") < names.index("nri@0.3")
    assert any(line.split() == ["nri@0.12", "v0.12.5", "-"] for line in lines)
    assert sum(line.startswith("containerd@") for line in lines) == 11
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert any(line.split() == ["containerd@2.3", "v2.3.4", "db8809540e1a"] for line in lines)


def test_releases_as_json_hold_the_whole_record() -> None:
    found = json.loads(ttrpc("releases", "--json").out)

    one = next(release for release in found if release["name"] == "containerd@2.3")
    assert one["repository"].startswith("https://")
    assert len(one["commit"]) == 40
    assert (one["origin"], one["source"]) == ("package", "")
    assert one["companions"]


def test_a_line_of_the_user_s_own_says_where_it_is_from(tmp_path: Path) -> None:
    schema = toolkit.load("nri@0.12")
    assert schema.release is not None
    shutil.copytree(schema.release.root, tmp_path / "nri" / "0.99")
    (tmp_path / "vendor.toml").write_text('[nri."0.99"]\ntag = "v0.99.0"\n')

    outcome = ttrpc("releases", "--vendor", tmp_path)

    header, *lines = outcome.out.splitlines()
    assert header.split() == ["RELEASE", "TAG", "COMMIT", "FROM"]
    assert any(line.split() == ["nri@0.99", "v0.99.0", "-", str(tmp_path)] for line in lines)
    assert "nri@0.99" not in ttrpc("releases").out


def test_a_line_that_does_not_load_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = tmp_path / "containerd" / "9.9"
    folder.mkdir(parents=True)
    (folder / "broken.proto").write_text("this is no proto")
    (tmp_path / "vendor.toml").write_text('[containerd."9.9"]\ntag = "v9.9.0"\n')

    outcome = ttrpc("list", "containerd.task.v3.Task", "--vendor", tmp_path)

    assert outcome.code == 0
    assert "Warning: containerd@9.9 is left out, it does not load" in outcome.err
