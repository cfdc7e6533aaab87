"""Compiling in process: structured errors, and not a word on standard error."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tests.schema.protos import write_files
from toolkit.errors import CompileError, SourceNotFound
from toolkit.schema.compile import MAX_IMPORT_DEPTH, compile_protos
from toolkit.schema.protofiles import nearest_files

if TYPE_CHECKING:
    from collections.abc import Sequence

GOOD = 'syntax = "proto3";\npackage good;\n// A thing.\nmessage Thing { int32 size = 1; }\n'


def compiled(names: Sequence[str], *roots: Path) -> FileDescriptorSet:
    return FileDescriptorSet.FromString(compile_protos(names, roots))


def problems(root: Path, *names: str) -> list[tuple[str, int, int, str]]:
    with pytest.raises(CompileError) as caught:
        compile_protos(names, [root])
    return [
        (str(Path(problem.file).relative_to(root)), problem.line, problem.column, problem.message)
        for problem in caught.value.problems
    ]


def test_a_set_has_the_imports_first_and_the_comments(tmp_path: Path) -> None:
    user = 'syntax = "proto3";\nimport "good.proto";\nmessage User { good.Thing thing = 1; }\n'
    write_files(tmp_path, {"good.proto": GOOD, "user.proto": user})

    found = compiled(["user.proto"], tmp_path)

    assert [file.name for file in found.file] == ["good.proto", "user.proto"]
    comments = [location.leading_comments for location in found.file[0].source_code_info.location]
    assert " A thing.\n" in comments


def test_the_engine_has_the_well_known_types(tmp_path: Path) -> None:
    text = 'syntax = "proto3";\nimport "google/protobuf/any.proto";\n'
    write_files(tmp_path, {"a.proto": text + "message A { google.protobuf.Any any = 1; }\n"})

    found = compiled(["a.proto"], tmp_path)

    assert [file.name for file in found.file] == ["google/protobuf/any.proto", "a.proto"]


def test_the_first_root_that_has_a_name_wins(tmp_path: Path) -> None:
    write_files(tmp_path, {"one/a.proto": GOOD, "two/a.proto": GOOD.replace("good", "other")})

    found = compiled(["a.proto"], tmp_path / "two", tmp_path / "one")

    assert found.file[0].package == "other"


def test_every_error_of_every_file_has_its_place(tmp_path: Path) -> None:
    first = 'syntax = "proto3";\nmessage A {\n  Nope x = 1;\n  int32 y = 1;\n  Nada z = 2;\n}\n'
    second = 'syntax = "proto3";\nmessage B { int32 }\n'
    write_files(tmp_path, {"first.proto": first, "sub/second.proto": second})

    found = problems(tmp_path, "first.proto", "sub/second.proto")

    assert {place[:3] for place in found} >= {
        ("first.proto", 3, 3),
        ("first.proto", 5, 3),
        ("sub/second.proto", 2, 19),
    }
    assert any("Nope" in message for *_, message in found)


def test_an_error_in_an_import_is_told_once(tmp_path: Path) -> None:
    bad = 'syntax = "proto3";\nmessage Bad { int32 }\n'
    user = 'syntax = "proto3";\nimport "bad.proto";\n'
    write_files(tmp_path, {"bad.proto": bad, "user.proto": user})

    assert problems(tmp_path, "user.proto") == [("bad.proto", 2, 21, "Expected field name.")]


def test_a_circle_of_imports_is_an_error_with_its_files(tmp_path: Path) -> None:
    texts = {f"{a}.proto": f'syntax = "proto3";\nimport "{b}.proto";\n' for a, b in ("ab", "ba")}
    write_files(tmp_path, texts)

    [(file, line, _, message)] = problems(tmp_path, "a.proto")

    assert (file, line) == ("a.proto", 2)
    assert "a.proto -> b.proto -> a.proto" in message


def test_a_missing_import_names_what_was_wanted_where_and_the_nearest(tmp_path: Path) -> None:
    user = 'syntax = "proto3";\n\nimport "types/thing.proto";\n'
    write_files(tmp_path, {"user.proto": user, "kinds/thing.proto": GOOD})

    with pytest.raises(SourceNotFound) as caught:
        compile_protos(["user.proto"], [tmp_path])

    error = caught.value
    assert isinstance(error, CompileError)
    assert error.name == "types/thing.proto"
    assert error.searched == (str(tmp_path),)
    assert error.nearest == (str(tmp_path / "kinds/thing.proto"),)
    assert (error.file, error.line, error.column) == (str(tmp_path / "user.proto"), 3, 1)
    for part in (error.name, *error.searched, *error.nearest):
        assert part in str(error)


def test_a_file_is_not_proposed_to_import_itself(tmp_path: Path) -> None:
    root = write_files(tmp_path / "root", {"a.proto": 'syntax = "proto3";\nimport "b.proto";\n'})

    with pytest.raises(SourceNotFound) as caught:
        compile_protos(["a.proto"], [root])

    assert caught.value.nearest == ()


def test_an_import_from_beside_the_root_is_found_there(tmp_path: Path) -> None:
    user = 'syntax = "proto3";\nimport "types/thing.proto";\n'
    write_files(tmp_path, {"api/user.proto": user, "types/thing.proto": GOOD})

    with pytest.raises(SourceNotFound) as caught:
        compile_protos(["user.proto"], [tmp_path / "api"])

    assert caught.value.nearest == (str(tmp_path / "types/thing.proto"),)


def test_a_file_that_no_root_has_is_not_found(tmp_path: Path) -> None:
    write_files(tmp_path, {"thing.proto": GOOD})

    with pytest.raises(SourceNotFound) as caught:
        compile_protos(["thin.proto"], [tmp_path])

    assert caught.value.nearest == (str(tmp_path / "thing.proto"),)


WARNED = {
    "no syntax": "message A { optional int32 size = 1; }\n",
    "unused import": 'syntax = "proto3";\nimport "google/protobuf/any.proto";\n',
    "JSON names that clash": 'syntax = "proto2";\n'
    "message A { optional int32 a_b = 1; optional int32 aB = 2; }\n",
    "error": 'syntax = "proto3";\nmessage A { int32 }\n',
}


@pytest.mark.parametrize("text", WARNED.values(), ids=WARNED.keys())
def test_nothing_is_written_to_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    write_files(tmp_path, {"a.proto": text})

    with contextlib.suppress(CompileError):
        compile_protos(["a.proto"], [tmp_path])

    assert capfd.readouterr() == ("", "")


def test_paths_with_the_compilers_own_signs_are_plain_paths(tmp_path: Path) -> None:
    root = tmp_path / "a:b=c"
    write_files(root, {'d"e f\\g é.proto'.replace("\\", ""): GOOD})

    assert compiled(['d"e fg é.proto'], root).file[0].package == "good"


@pytest.mark.parametrize("bracket", ["{}", "<>"])
def test_deep_nesting_is_an_error_and_no_crash(tmp_path: Path, bracket: str) -> None:
    option = f"m {bracket[0]} " * 20_000 + f"{bracket[1]} " * 20_000
    text = f'syntax = "proto2";\nmessage A {{ option (o) = {{ {option} }}; }}\n'
    write_files(tmp_path, {"deep.proto": text})

    [(_, _, _, message)] = problems(tmp_path, "deep.proto")

    assert "nest deeper" in message


def chain(length: int) -> dict[str, str]:
    start = 'syntax = "proto3";\n'
    files = {f"{n}.proto": f'{start}import "{n + 1}.proto";\n' for n in range(length)}
    return {**files, f"{length}.proto": start}


@pytest.fixture(scope="module")
def too_deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(tmp_path_factory.mktemp("deep"), chain(MAX_IMPORT_DEPTH))


def test_imports_that_go_too_deep_are_an_error_and_no_crash(too_deep: Path) -> None:
    [(file, _, _, message)] = problems(too_deep, "0.proto")

    assert file == "0.proto"
    assert f"{MAX_IMPORT_DEPTH + 1} files deep" in message


def test_a_circle_of_imports_that_goes_too_deep_is_an_error_and_no_crash(
    too_deep: Path, tmp_path: Path
) -> None:
    last = 'syntax = "proto3";\nimport "0.proto";\n'
    write_files(tmp_path, {f"{MAX_IMPORT_DEPTH}.proto": last})

    with pytest.raises(CompileError, match="files deep"):
        compile_protos(["0.proto"], [tmp_path, too_deep])


def test_many_files_that_import_little_are_no_trouble(tmp_path: Path) -> None:
    names = [f"{n}.proto" for n in range(MAX_IMPORT_DEPTH + 1)]
    write_files(tmp_path, {names[0]: 'syntax = "proto3";\n'})
    for name in names[1:]:
        (tmp_path / name).hardlink_to(tmp_path / names[0])  # a tenth of what a file takes

    found = compiled(names, tmp_path)

    assert len(found.file) == len(names)


def test_it_compiles_without_a_standard_error(tmp_path: Path) -> None:
    write_files(tmp_path, {"good.proto": GOOD})
    script = f"""
import os, pathlib
from toolkit.schema.compile import compile_protos
os.close(2)
other = os.open({str(tmp_path / "other")!r}, os.O_CREAT | os.O_WRONLY)
assert other == 2
compile_protos(["good.proto"], [pathlib.Path({str(tmp_path)!r})])
os.write(other, b"still ours")
os.close(2)
compile_protos(["good.proto"], [pathlib.Path({str(tmp_path)!r})])
"""

    subprocess.run([sys.executable, "-c", script], check=True)

    assert (tmp_path / "other").read_text() == "still ours"


def test_brackets_in_text_and_comments_do_not_nest(tmp_path: Path) -> None:
    option = "// {" + "{" * 500 + "\n/* " + "{" * 500 + ' */ reserved "' + "{" * 500 + '";'
    write_files(tmp_path, {"a.proto": f'syntax = "proto2";\nmessage A {{ {option} }}\n'})

    assert compiled(["a.proto"], tmp_path).file[0].name == "a.proto"


def test_threads_compile_side_by_side(tmp_path: Path) -> None:
    for index in range(4):
        write_files(tmp_path / str(index), {"a.proto": GOOD.replace("good", f"p{index}")})
    packages: dict[int, str] = {}

    def work(index: int) -> None:
        packages[index] = compiled(["a.proto"], tmp_path / str(index)).file[0].package

    threads = [threading.Thread(target=work, args=[index]) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert packages == {index: f"p{index}" for index in range(4)}


def test_the_search_for_a_hint_goes_neither_too_deep_nor_out_of_the_roots(tmp_path: Path) -> None:
    deep = "/".join("d" for _ in range(30))
    write_files(tmp_path, {f"root/{deep}/x.proto": GOOD, "outside/deep/x.proto": GOOD})

    assert nearest_files("x.proto", [tmp_path / "root"]) == []


def test_the_search_for_a_hint_passes_over_what_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "loop.proto").symlink_to("loop.proto")
    (tmp_path / "loop").symlink_to("loop")

    assert nearest_files("no/such/quite_another.proto", [tmp_path, tmp_path / "absent"]) == []
