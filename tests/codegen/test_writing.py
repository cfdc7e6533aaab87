"""A package on disk: whole or as it was, checked for a user's CI, and for changes at import."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.command import ttrpc
from toolkit.codegen import writing
from toolkit.errors import RpcError, SchemaError
from toolkit.rpc.router import Router

if TYPE_CHECKING:
    from types import ModuleType

PROTO = """\
syntax = "proto3"; package shop;
message Item {{ string id = 1; {fields} }}
message Other {{ int32 number = 1; }}
enum Place {{ HERE = 0; BELOW = -1; {values} }}
service Shop {{ rpc Get(Item) returns (Item); {methods} }}
"""
PROTO2 = """\
syntax = "proto2"; package shop;
message Item {{ extensions 100 to 200; }}
message Other {{ optional int32 number = 1; {nested} }}
{extensions}
"""


def schema(
    folder: Path, *, fields: str = "int32 price = 2;", methods: str = "", values: str = ""
) -> Path:
    path = folder / "shop.proto"
    path.write_text(PROTO.format(fields=fields, methods=methods, values=values))
    return path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_check_is_silent_about_what_would_be_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert ttrpc("codegen", "-s", "nri@0.12", "--out", out) == (0, "", "")

    assert ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--check") == (0, "", "")


def test_check_prints_a_diff_of_what_is_stale_and_exits_1(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", "nri@0.11", "--out", out)

    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--check")

    assert outcome.code == 1
    assert '\n-"""nri.pkg.api.v1alpha1, of nri@0.11.' in outcome.out
    assert "is not what `ttrpc codegen` would write now" in outcome.err


def test_check_of_a_folder_that_is_not_there_fails_and_makes_none(tmp_path: Path) -> None:
    out = tmp_path / "out"

    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--check")

    assert outcome.code == 1
    assert not out.exists()


def test_modules_that_are_not_wanted_any_more_go_and_are_told_by_check(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", "containerd@2.4", "--out", out)
    task = ("codegen", "-s", "containerd@2.4", "--out", out, "--service", "Task")
    assert "containerd_events.pyi" in ttrpc(*task, "--check").out

    ttrpc(*task)

    assert not (out / "containerd_events.pyi").exists()
    assert (out / "containerd_task_v3.pyi").exists()


def test_a_descriptor_set_that_is_not_wanted_any_more_is_told_by_check(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", schema(tmp_path), "--out", out)
    for path in out.glob("shop.py*"):
        path.unlink()

    assert "schema.binpb" in ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--check").out
    assert ttrpc("codegen", "-s", "nri@0.12", "--out", out).code == 0
    assert ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--check").code == 0
    assert not (out / "schema.binpb").exists()


def test_check_of_what_is_no_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")

    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", tmp_path / "out", "--check")

    assert outcome.code == 1
    assert f"cannot read {tmp_path}/out/" in outcome.err


def test_what_a_user_has_put_beside_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", "nri@0.12", "--out", out)
    mine = "# Made by `ttrpc codegen` modules are wrapped here.\nmine = True\n"
    (out / "mine.py").write_text(mine)
    (out / "data").mkdir()
    (out / "data" / "x").write_text("x")

    ttrpc("codegen", "-s", "nri@0.11", "--out", out)

    assert (out / "mine.py").read_text() == mine
    assert (out / "data" / "x").read_text() == "x"


def test_a_folder_of_other_things_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")

    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", tmp_path)

    assert outcome.code == 1
    assert "holds other things than `ttrpc codegen` has written" in outcome.err
    assert content(tmp_path) == {"precious": b"x"}


def test_a_failure_leaves_the_old_files_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", "nri@0.11", "--out", out)
    before = content(out)

    def fail(folder: Path, stage: Path) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(writing, "replace_folder", fail)
    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", out)

    assert outcome.code == 1
    assert f"cannot write {out}: No space left on device" in outcome.err
    assert content(out) == before
    assert list(tmp_path.iterdir()) == [out]


def test_killed_in_the_middle_it_leaves_the_old_files_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ttrpc("codegen", "-s", "nri@0.11", "--out", out)
    before = content(out)
    program = (
        "import os, signal, sys\n"
        "from toolkit.codegen import writing\n"
        "writing.replace_folder = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from toolkit.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    root = Path(__file__).parents[2]

    done = subprocess.run(
        [sys.executable, "-c", program, "codegen", "-s", "nri@0.12", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(root)},
        check=False,
    )

    assert done.returncode == -signal.SIGKILL
    assert content(out) == before


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real")

    ttrpc("codegen", "-s", "nri@0.12", "--out", link)

    assert link.is_symlink()
    assert (tmp_path / "real" / "_schema.py").is_file()


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "codegen wants one -s SCHEMA, and --out DIR"),
        (["-s", "nri@0.12"], "codegen wants one -s SCHEMA, and --out DIR"),
        (["-s", "nri@0.12", "--out", ""], "codegen wants one -s SCHEMA, and --out DIR"),
        (["-s", "nri@0.12", "--out", "x", "y"], "codegen takes no arguments, not 'y'"),
        (["--list-templates", "--templates", "/no/such"], "there is no such folder"),
        (["-s", "nri@0.12", "--out", "x", "--service", "Plugn"], "did you mean"),
    ],
)
def test_a_command_that_makes_no_sense_says_so(argv: list[str], says: str) -> None:
    outcome = ttrpc("codegen", *argv)

    assert outcome.code in {1, 2}
    assert says in outcome.err


# At import


def imported(out: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(out.parent)
    for name in [one for one in sys.modules if one.partition(".")[0] == out.name]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return importlib.import_module(f"{out.name}.shop")


def with_schema_of(tmp_path: Path, name: str, **parts: str) -> Path:
    """A package that was generated of one schema and is bound to another."""
    out, other = tmp_path / name, tmp_path / f"{name}_other"
    ttrpc("codegen", "-s", schema(tmp_path), "--out", out)
    ttrpc("codegen", "-s", schema(tmp_path, **parts), "--out", other)
    (out / "schema.binpb").write_bytes((other / "schema.binpb").read_bytes())
    return out


def test_what_was_added_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = with_schema_of(
        tmp_path,
        "added",
        fields="int32 price = 2; string color = 3;",
        methods="rpc Put(Item) returns (Item);",
    )

    module = imported(out, monkeypatch)

    assert module.Item(id="a", price=1).price == 1


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("removed", "", "shop.Item: field 2 price (int32) removed"),
        ("renamed", "int32 cost = 2;", "shop.Item: field 2 price is now called cost"),
        ("retyped", "string price = 2;", "field 2 was price (int32), is price (string)"),
    ],
)
def test_what_was_changed_fails_at_import_and_is_told(
    name: str, fields: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = with_schema_of(tmp_path, name, fields=fields)

    with pytest.raises(SchemaError) as caught:
        imported(out, monkeypatch)

    assert says in str(caught.value)
    assert "`ttrpc codegen` makes it anew" in str(caught.value)


def test_an_enum_that_was_added_to_a_message_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "int32 price = 2; enum New { A = 0; } message In { enum Newer { B = 0; } }"

    module = imported(with_schema_of(tmp_path, "enums", fields=more), monkeypatch)

    assert module.Item.New.Name(0) == "A"


def test_a_value_that_was_added_to_an_enum_with_values_below_zero_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = imported(with_schema_of(tmp_path, "values", values="THERE = 1;"), monkeypatch)

    assert module.Place.THERE == 1


def test_what_implements_a_service_stays_whole_when_a_method_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = with_schema_of(tmp_path, "grown", methods="rpc Put(Item) returns (Item);")
    module = imported(out, monkeypatch)

    class Shop(module.ShopService):  # type: ignore[misc, name-defined]
        def Get(self, request: object, context: object) -> object:
            return request

        def Put(self) -> None:
            """Another thing of the same name, from when there was no such method."""

    router = Router()
    router.add(Shop())

    assert router.find("shop.Shop", "Get").method.name == "Get"
    with pytest.raises(RpcError, match="method Put"):
        router.find("shop.Shop", "Put")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ({"extensions": "extend Item { optional string u = 101; }"}, {}, "shop.u removed"),
        (
            {"extensions": "extend Item { optional string u = 101; }"},
            {"extensions": "extend Item { optional int32 u = 101; }"},
            "shop.u",
        ),
        (
            {"nested": "extend Item { optional string u = 101; }"},
            {"nested": "extend Item { optional string u = 102; }"},
            "shop.Other.u",
        ),
    ],
)
def test_an_extension_that_was_changed_fails_at_import(
    before: dict[str, str],
    after: dict[str, str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, out, other = tmp_path / "shop.proto", tmp_path / "extended", tmp_path / "other"
    for folder, parts in ((out, before), (other, after)):
        path.write_text(PROTO2.format(**{"nested": "", "extensions": "", **parts}))
        assert ttrpc("codegen", "-s", path, "--out", folder).code == 0
    (out / "schema.binpb").write_bytes((other / "schema.binpb").read_bytes())

    with pytest.raises(SchemaError, match=says):
        imported(out, monkeypatch)


def test_without_the_symbols_a_change_is_still_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = with_schema_of(tmp_path, "bare", fields="")
    (out / "symbols.txt").unlink()

    with pytest.raises(SchemaError, match=r"symbols\.txt.* is missing; it is to be installed"):
        imported(out, monkeypatch)
