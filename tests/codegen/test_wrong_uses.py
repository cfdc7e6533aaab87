"""Type checkers find what is wrong in a use of generated modules, and nothing where it is right."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TypeAlias

import pytest

ROOT = Path(__file__).resolve().parents[2]
USES = ROOT / "tests" / "codegen" / "wrong_uses.py.txt"  # no .py: our own checks would mind it
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
EXPECTED = re.compile(r"  # mypy: (?P<mypy>.+)  pyright: (?P<pyright>.+)$")
MYPY_ERROR = re.compile(r"(?P<file>.+?):(?P<line>[0-9]+): error: .*\[(?P<code>[a-z-]+)\]")

# The codes of the errors about each line that has any, sorted.
Found: TypeAlias = dict[int, str]

checked = pytest.mark.skipif(
    os.environ.get("INTEROP") != "required", reason="type checkers run with INTEROP=required"
)


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=ENV, cwd=cwd
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the modules of a whole release, and the uses of them."""
    folder = tmp_path_factory.mktemp("uses")
    done = run("toolkit", "codegen", "-s", "containerd@2.4", "--out", "api", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "uses.py").write_text(USES.read_text())
    return folder


def expected(checker: str) -> Found:
    matches = {
        number: EXPECTED.search(line)
        for number, line in enumerate(USES.read_text().splitlines(), start=1)
    }
    codes = {number: match[checker] for number, match in matches.items() if match is not None}
    return {number: code for number, code in codes.items() if code != "-"}


def by_line(errors: list[tuple[int, str]]) -> Found:
    lines: dict[int, set[str]] = {}
    for number, code in errors:
        lines.setdefault(number, set()).add(code)
    return {number: ", ".join(sorted(codes)) for number, codes in sorted(lines.items())}


def of_mypy(folder: Path) -> Found:
    flags = ("--strict", "--show-error-codes", "--no-error-summary", "--no-pretty")
    done = run("mypy", *flags, "--cache-dir", ".mypy", "uses.py", cwd=folder)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if ": note: " not in line]
    errors = [(MYPY_ERROR.fullmatch(line), line) for line in lines]
    assert [line for match, line in errors if match is None or match["file"] != "uses.py"] == []
    return by_line([(int(match["line"]), match["code"]) for match, _ in errors if match])


def of_pyright(folder: Path) -> Found:
    venv = Path(sys.prefix)
    settings = {"typeCheckingMode": "strict", "venvPath": str(venv.parent), "venv": venv.name}
    (folder / "pyrightconfig.json").write_text(json.dumps({**settings, "include": ["uses.py"]}))
    done = run("pyright", "--outputjson", "--project", str(folder), cwd=folder)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == 1
    found = report["generalDiagnostics"]
    return by_line([(one["range"]["start"]["line"] + 1, one.get("rule", "?")) for one in found])


def test_every_comment_is_read() -> None:
    comments = [line for line in USES.read_text().splitlines() if "#" in line]

    assert len(comments) >= 80
    assert len(expected("mypy")) == len(expected("pyright")) == len(comments)


@checked
@pytest.mark.timeout(120)
def test_mypy_finds_the_wrong_lines_and_no_others(project: Path) -> None:
    assert of_mypy(project) == expected("mypy")


@checked
@pytest.mark.timeout(120)
def test_pyright_finds_the_wrong_lines_and_no_others(project: Path) -> None:
    assert of_pyright(project) == expected("pyright")
