"""What is rendered: the same for the same schema, safe whatever is in it, and as templates say."""

from __future__ import annotations

import ast
import io
import tokenize
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from tests.cli.command import ttrpc
from tests.codegen.packages import ZOOS, folder, module_of
from toolkit.codegen.build import build
from toolkit.codegen.names import Namespace, docstring, module_name, safe
from toolkit.codegen.render import render
from toolkit.errors import SchemaError

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    '''""" + __import__("os").system("x") + """ \\ \\" {{ 7 * 7 }} {% raw %} ''' + "\x00\u2028\r"
)


@given(st.text() | st.sampled_from(['"', '"""', "\\", '\\"""', "a\\", 'a"', HOSTILE]))
def test_whatever_a_comment_is_its_docstring_is_one_string_literal(text: str) -> None:
    source = docstring(text, 0) or '""'

    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    kinds = [one.type for one in tokens if one.type not in {tokenize.NL, tokenize.NEWLINE}]
    assert kinds == [tokenize.STRING, tokenize.ENDMARKER]


@given(st.text())
def test_whatever_a_name_is_it_becomes_an_identifier(text: str) -> None:
    assert safe(text).isidentifier()
    assert module_name(text).isidentifier()


def test_a_name_that_is_taken_gets_underscores() -> None:
    names = Namespace(["a"])

    assert [names.add("a"), names.add("a"), names.add("b")] == ["a_", "a__", "b"]


def test_the_same_schema_renders_the_same() -> None:
    schema = toolkit.load("containerd@2.4")

    assert render(build(schema, "containerd@2.4")) == render(build(schema, "containerd@2.4"))


def test_hostile_comments_stay_text() -> None:
    module = module_of("zoo_codegen", "zoo_hostile")
    assert module.__file__ is not None
    stub = module.__file__ + "i"
    with open(stub, encoding="utf-8") as file:  # noqa: PTH123
        tree = ast.parse(file.read())

    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls == []
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert any('"""' in text for text in texts if isinstance(text, str))
    assert any("{{ 7 * 7 }}" in text for text in texts if isinstance(text, str)) is False


def test_two_packages_of_one_module_name_are_told_apart() -> None:
    assert module_of("zoo_codegen", "zoo_deep_er").One.DESCRIPTOR.full_name == "zoo.deep.er.One"
    assert module_of("zoo_codegen", "zoo_deep_er_").One.DESCRIPTOR.full_name == "zoo.deep_er.One"


def test_what_is_in_no_package_has_a_module() -> None:
    assert (folder("zoo_schema") / "no_package.pyi").is_file()


def test_docstrings_say_since_when_something_is_there(tmp_path: Path) -> None:
    files = render(build(toolkit.load("containerd@2.4"), "containerd@2.4"))

    assert (
        '"""``containerd.task.v3.StateRequest``, since containerd@1.7 (1.7.34)."""'
        in files["containerd_task_v3.pyi"]
    )
    assert "Since containerd@1.3 (1.3.10)." in files["containerd_task_v2.pyi"]
    # The vendored files say it in their comments too.
    assert files["containerd_task_v3.pyi"].count("ince containerd@1.7 (1.7.34).") < 60
    assert "Since containerd@1.7 (1.7.34).\n\n" not in files["containerd_task_v3.pyi"]


def test_docstrings_hold_the_comments_of_the_schema() -> None:
    stub = (folder("zoo_schema") / "zoo_comments.pyi").read_text()

    for text in ("A message.", 'Of two paragraphs, with "quotes"', "The left one.", "A method."):
        assert text in stub


def test_only_a_service_and_what_it_needs(tmp_path: Path) -> None:
    schema = toolkit.load("containerd@2.4")

    package = build(schema, "containerd@2.4", ["containerd.task.v3.Task"])

    assert [module.name for module in package.modules] == [
        "containerd_task_v3",
        "containerd_types",
        "containerd_v1_types",
        "google_protobuf",
    ]
    types = package.modules[1]
    assert [message.name for message in types.messages] == ["Mount"]


def test_a_template_of_one_s_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "__init__.py.jinja").write_text('"""Mine: {{ package.name }}."""\n')
    out = tmp_path / "out"

    outcome = ttrpc("codegen", "-s", "nri@0.12", "--out", out, "--templates", tmp_path)

    assert outcome == (0, "", "")
    assert (out / "__init__.py").read_text() == '"""Mine: nri@0.12."""\n'


def test_every_template_is_named() -> None:
    assert ttrpc("codegen", "--list-templates").out.split() == [
        "__init__.py.jinja",
        "_schema.py.jinja",
        "message.pyi.jinja",
        "module.py.jinja",
        "module.pyi.jinja",
        "service.pyi.jinja",
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("{{ no.such }}", "{% for %}", "{{ package.nothing }}", "{{ 1 / 0 }}"),
        *("{{ 5 | literal }}", "{% include 'gone.jinja' %}"),
    ],
)
def test_a_broken_template_is_named_with_its_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "_schema.py.jinja").write_text(f"one\n{text}")
    package = build(toolkit.load("nri@0.12"), "nri@0.12")

    with pytest.raises(SchemaError, match=rf"^{tmp_path}/_schema\.py\.jinja:2: "):
        render(package, [tmp_path])


def test_a_template_that_is_no_text_is_a_schema_error(tmp_path: Path) -> None:
    (tmp_path / "_schema.py.jinja").write_bytes(b"\xff")

    with pytest.raises(SchemaError, match="UnicodeDecodeError"):
        render(build(toolkit.load("nri@0.12"), "nri@0.12"), [tmp_path])


def test_the_zoos_are_there() -> None:
    assert all(folder(name).is_dir() for name in ZOOS)
