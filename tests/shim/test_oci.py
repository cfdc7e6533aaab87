"""Reading the program out of a bundle's config.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from toolkit.errors import RpcError
from toolkit.shim.hosting.oci import PROCESS_TYPE, ProcessSpec, exec_process, init_process
from toolkit.status import Code

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str) -> str:
    (folder / "config.json").write_text(text)
    return str(folder)


def test_the_process_of_a_config(tmp_path: Path) -> None:
    process = {"args": ["a", ""], "env": ["B=c"], "cwd": "/usr", "user": {"uid": 1000}}

    spec = init_process(write(tmp_path, json.dumps({"process": process, "root": {}})))

    assert spec == ProcessSpec(("a", ""), ("B=c",), "/usr")


def test_what_go_writes_as_null_is_empty(tmp_path: Path) -> None:
    spec = init_process(write(tmp_path, '{"process": {"args": ["a"], "env": null}}'))

    assert spec == ProcessSpec(("a",), (), "/")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{", "is not JSON"),
        ("\udcff".encode(errors="surrogateescape").decode("latin-1"), "is not JSON"),
        ("[]", "has no 'process'"),
        ("{}", "has no 'process'"),
        ('{"process": null}', "process is null, wanted an object"),
        ('{"process": {}}', "process.args names no program"),
        ('{"process": {"args": [""]}}', "process.args names no program"),
        ('{"process": {"args": "ls"}}', "process.args is a string, wanted a list"),
        ('{"process": {"args": ["a", 1]}}', "process.args[1] is 1, wanted a string"),
        ('{"process": {"args": ["a\\u0000"]}}', "process.args[0] is 'a\\x00'"),
        ('{"process": {"args": ["a\\ud800"]}}', "process.args[0] is 'a\\ud800'"),
        ('{"process": {"args": ["a"], "env": ["A"]}}', "process.env has 'A', wanted NAME=value"),
        ('{"process": {"args": ["a"], "cwd": "x"}}', "process.cwd is 'x', wanted an absolute"),
        ('{"process": {"args": ["a"], "cwd": "/no/such"}}', "'/no/such' is no directory"),
    ],
)
def test_a_config_that_does_not_fit_is_named_with_its_path(
    config: str, words: str, tmp_path: Path
) -> None:
    bundle = write(tmp_path, config)

    with pytest.raises(RpcError) as caught:
        init_process(bundle)

    assert caught.value.code is Code.INVALID_ARGUMENT
    assert f"{bundle}/config.json" in caught.value.message
    assert words in caught.value.message


def test_a_terminal_is_unimplemented(tmp_path: Path) -> None:
    bundle = write(tmp_path, '{"process": {"args": ["sh"], "terminal": true}}')

    with pytest.raises(RpcError) as caught:
        init_process(bundle)

    assert caught.value.code is Code.UNIMPLEMENTED


@pytest.mark.parametrize("prefix", ["", "type.googleapis.com/"])
def test_the_spec_of_an_exec(prefix: str) -> None:
    value: dict[str, Any] = {"args": ["a"], "cwd": "/"}

    spec = exec_process(prefix + PROCESS_TYPE, json.dumps(value).encode())

    assert spec == ProcessSpec(("a",), (), "/")
