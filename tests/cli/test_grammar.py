"""The command line itself: verbs, flags in any order, usage errors, help."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import pytest

import toolkit
from tests.cli.command import ttrpc
from toolkit.cli.address import is_address
from toolkit.cli.arguments import VERBS, address_and_symbol, split_verb
from toolkit.cli.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words",
    [
        ["list", "containerd.task.v2.Task", "-s", "containerd@1.6"],
        ["list", "-s", "containerd@1.6", "containerd.task.v2.Task"],
        ["-s", "containerd@1.6", "list", "containerd.task.v2.Task"],
        ["--schema=containerd@1.6", "list", "containerd.task.v2.Task"],
        ["-scontainerd@1.6", "list", "containerd.task.v2.Task"],
        ["list", "--connect-timeout", "5", "containerd.task.v2.Task", "-s", "containerd@1.6"],
    ],
)
def test_flags_go_anywhere_on_the_line(words: list[str]) -> None:
    outcome = ttrpc(*words)

    assert outcome.code == 0
    assert "containerd.task.v2.Task.State\n" in outcome.out


def test_the_verb_is_found_behind_flags_and_their_values() -> None:
    for flags in itertools.permutations([["-v"], ["-d", "list"], ["--max-time", "3"]]):
        argv = [*itertools.chain.from_iterable(flags), "call", "@a", "State"]

        verb, rest = split_verb(argv)

        assert verb == "call"
        assert rest == [word for word in argv if word != "call"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "a verb is missing"),
        (["-v"], "-v without a verb"),
        (["discribe"], "no verb 'discribe'; did you mean describe?"),
        (["xyzzy"], "no verb 'xyzzy'; there are releases, list"),
        (["unix:///run/x.sock", "list"], "ttrpc call unix:///run/x.sock METHOD"),
        (["list", "--no-such-flag"], "unrecognized arguments: --no-such-flag"),
        (["list", "--sch", "containerd"], "unrecognized arguments: --sch"),
        (["list", "-s"], "expected one argument"),
        (["list", "@a", "b.C", "d.E"], "not 'd.E'"),
        (["releases", "containerd"], "takes no arguments, not 'containerd'"),
        (["call"], "call wants an ADDRESS and a METHOD"),
        (["call", "unix:///x.sock"], "call wants an ADDRESS and a METHOD"),
        (["call", "@a", "State", "--max-time", "soon"], "not 'soon'"),
        (["call", "@a", "State", "--max-time", "0"], "not '0'"),
        (["call", "@a", "State", "--max-time", "nan"], "not 'nan'"),
        (["call", "@a", "State", "--connect-timeout", "-1"], "not '-1'"),
        (["call", "@a", "State", "-H", "no colon"], "-H wants 'key: value', not 'no colon'"),
        (["call", "@a", "State", "-H", ": no key"], "-H wants 'key: value', not ': no key'"),
        (["export"], "export wants an ADDRESS or one -s SCHEMA, not 0"),
        (["export", "-s", "a", "-s", "b", "--proto-dir", "x"], "one -s SCHEMA, not 2"),
        (["export", "-s", "containerd"], "either --proto-dir or --descriptor-set"),
        (["call", "@a", "State", '{"id":"web"}'], "data goes after -d"),
        (["call", "State", "/tmp/no-such.sock"], "the address comes first: ttrpc call /tmp"),
        (["call", "State", "unix:///x.sock"], "the address comes first"),
        (
            ["list", "a.B", "unix:///x.sock"],
            "the address comes first: ttrpc list unix:///x.sock a.B",
        ),
        (["call", "", "State"], "the ADDRESS is empty"),
        (["list", ""], "the ADDRESS is empty"),
        (["list", "-s", ""], "-s wants a release or a path, and it is empty"),
        (["call", "@a", "State", "-d", "{}", "-d", "{}"], "-d is given twice"),
        (["call", "@a", "State", "-n", "a", "--namespace", "b"], "--namespace is given twice"),
        (["call", "@a", "State", "-n", ""], "-n wants a namespace"),
        (["call", "@a", "State", "-H", "a key: b"], "a key without spaces"),
        (["call", "@a", "State", "-H", "a\nb: c"], "a key without spaces"),
        (
            ["call", "@a", "State", "-n", "a", "-H", "Containerd-Namespace-TTRPC: b"],
            "both give the namespace",
        ),
        (["help", "xyzzy"], "no verb 'xyzzy'"),
        (["serve", "@a", "@b"], "serve takes one ADDRESS, not 2"),
        (["vendor"], "vendor wants a word after it: sync, verify or remove"),
        (["vendor", "sink"], "vendor wants a word after it: sync, verify or remove"),
        (["vendor", "sync"], "wants a name and a source: PROJECT@LINE --from SOURCE"),
        (["vendor", "sync", "mine@1"], "wants a name and a source: PROJECT@LINE --from SOURCE"),
        (["vendor", "sync", "mine@1", "mine@2", "--from", "."], "wants a name and a source"),
        (["vendor", "verify", "nri"], "vendor verify takes no name"),
        (["vendor", "verify", "--tag", "v1"], "vendor verify takes no --tag"),
        (["vendor", "remove"], "vendor remove takes one name"),
        (["vendor", "remove", "mine@1", "--from", "."], "vendor remove takes no --from"),
    ],
)
def test_a_command_line_without_sense_says_so_and_exits_2(argv: list[str], says: str) -> None:
    outcome = ttrpc(*argv)

    assert outcome.code == 2
    assert says in outcome.err
    assert "Try 'ttrpc --help'" in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("argv", [["--help"], ["-h"], *([verb, "--help"] for verb in VERBS)])
def test_help_goes_to_stdout_and_fits_a_terminal(
    argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    outcome = ttrpc(*argv)

    assert outcome.code == 0
    assert outcome.out.startswith("usage: ttrpc ")
    assert outcome.err == ""
    assert max(map(len, outcome.out.splitlines())) <= 80


def test_help_lists_every_verb_and_the_exit_codes() -> None:
    outcome = ttrpc("--help")

    assert all(f"  {verb} " in outcome.out for verb in VERBS)
    assert "64 + the status code" in outcome.out


def test_version_is_the_package_s() -> None:
    assert ttrpc("--version").out == f"ttrpc {toolkit.__version__}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unix:///run/x.sock", True),
        ("vsock://3:1024", True),
        ("/run/x.sock", True),
        ("@/containerd-shim/x.sock", True),
        ("containerd.task.v3.Task", False),
        ("containerd.task.v3.Task/State", False),
        ("./x.sock", True),
        ("../x.sock", True),
        (".", True),
        ("unix:x.sock", True),
        ("State", False),
        (".containerd.task.v3.Task", False),
    ],
)
def test_an_address_has_a_scheme_or_starts_like_one(text: str, *, expected: bool) -> None:
    assert is_address(text) is expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], (None, None)),
        (["a.B"], (None, "a.B")),
        (["@x"], ("@x", None)),
        (["x.sock", "a.B"], ("x.sock", "a.B")),
    ],
)
def test_one_word_is_what_it_looks_like_and_two_are_address_and_symbol(
    arguments: list[str], expected: tuple[str | None, str | None]
) -> None:
    assert address_and_symbol("list", arguments) == expected


def test_the_path_of_a_socket_that_is_there_is_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("task.sock")

        found = address_and_symbol("list", ["task.sock"])

    assert found == ("task.sock", None)


def test_help_and_version_are_words_too() -> None:
    assert ttrpc("help") == ttrpc("--help")
    assert ttrpc("help", "call") == ttrpc("call", "--help")
    assert ttrpc("version") == ttrpc("--version")


def test_help_is_no_wider_than_one_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")

    assert max(map(len, ttrpc("call", "--help").out.splitlines())) <= 100


def test_a_vendor_folder_that_is_not_there_is_an_error() -> None:
    outcome = ttrpc("releases", "--vendor", "/no/such/folder")

    assert outcome.code == 1
    assert outcome.err == "ttrpc: --vendor /no/such/folder: No such file or directory\n"


def test_a_vendor_folder_of_the_environment_that_is_not_there_is_warned_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TTRPC_VENDOR", "/no/such/folder")

    outcome = ttrpc("releases")

    assert outcome.code == 0
    assert "Warning: TTRPC_VENDOR names /no/such/folder" in outcome.err


def test_three_words_are_too_many() -> None:
    with pytest.raises(UsageError, match="at most"):
        address_and_symbol("list", ["@x", "a.B", "c.D"])
