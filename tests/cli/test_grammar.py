"""The command line itself: verbs, flags in any order, usage errors, help."""

from __future__ import annotations

import itertools

import pytest

import toolkit
from tests.cli.command import ttrpc
from toolkit.cli.arguments import VERBS, address_and_symbol, is_address, split_verb
from toolkit.cli.errors import UsageError


@pytest.mark.parametrize(
    "words",
    [
        ["list", "containerd.task.v2.Task", "-s", "containerd@1.6"],
        ["list", "-s", "containerd@1.6", "containerd.task.v2.Task"],
        ["-s", "containerd@1.6", "list", "containerd.task.v2.Task"],
        ["--schema=containerd@1.6", "list", "containerd.task.v2.Task"],
        ["-scontainerd@1.6", "list", "containerd.task.v2.Task"],
        ["list", "--schema", "containerd@1.6", "unix:///x.sock", "containerd.task.v2.Task"],
        ["list", "unix:///x.sock", "--schema", "containerd@1.6", "containerd.task.v2.Task"],
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
        (["export"], "export wants one -s SCHEMA, not 0"),
        (["export", "-s", "a", "-s", "b", "--proto-dir", "x"], "one -s SCHEMA, not 2"),
        (["export", "-s", "containerd"], "either --proto-dir or --descriptor-set"),
        (["serve", "@a", "@b"], "serve takes one ADDRESS, not 2"),
        (["vendor"], "vendor wants one word after it: verify"),
        (["vendor", "sync"], "vendor wants one word after it: verify"),
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
        ("State", False),
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


def test_three_words_are_too_many() -> None:
    with pytest.raises(UsageError, match="at most"):
        address_and_symbol("list", ["@x", "a.B", "c.D"])
