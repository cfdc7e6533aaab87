"""``.proto`` files to a descriptor set, by protoc inside this process."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from toolkit.errors import CompileError, CompileProblem, SchemaError, SourceNotFound, joined
from toolkit.schema.files import join_set, read_name, split_set
from toolkit.schema.protofiles import closure, engine_root, nearest_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.schema.protofiles import ProtoFile

__all__ = ["ImportNotFound", "compile_protos"]

# protoc recurses over an option's braces, and over imports, and takes the process with it some
# thousand levels down. Messages end at 32 by its own rule.
MAX_NESTING = 200
MAX_IMPORT_DEPTH = 2000

UMBRELLA = "ttrpc-toolkit-umbrella.proto"

_IMPORT_FAILED = re.compile(r'Import "(?P<name>.*)" was not found or had errors\.')
_NOT_FOUND = "File not found."

# The compiler keeps its state, its warnings and file descriptor 2 for the whole process.
_lock = threading.Lock()


class _Error(NamedTuple):
    """What the compiler says is wrong; it counts from 0, and -1 is the whole file."""

    file: str
    line: int
    column: int
    message: str


class ImportNotFound(CompileError, SourceNotFound):
    """A ``.proto`` file imports what none of the import roots has.

    Attributes:
        name: the name that is imported.
        searched: the import roots.
        nearest: files in or beside the roots that come closest.
        problems: where the import is, and what else is wrong.
    """

    def __init__(
        self,
        problems: Sequence[CompileProblem],
        *,
        name: str,
        searched: Sequence[str],
        nearest: Sequence[str],
    ) -> None:
        CompileError.__init__(self, problems)
        self.name = name
        self.searched = tuple(searched)
        self.nearest = tuple(nearest)

    __str__ = CompileError.__str__


def compile_protos(
    files: Sequence[str], roots: Sequence[Path], *, found: Mapping[str, ProtoFile] | None = None
) -> bytes:
    """The serialized descriptor set of the files and all they import, with their comments.

    Args:
        files: names under the import roots, as another file would import them.
        roots: import roots; the first that has a name wins.
        found: the files and all they import, where the caller has read them already.

    Raises:
        SourceNotFound: no root has one of the files.
        CompileError: with every problem that the compiler found.
        ImportNotFound: a ``CompileError`` for an import that no root has.
    """
    every_root = [*roots, engine_root()]
    if found is None:
        found, _ = closure(files, every_root)
    for name in files:
        if name not in found:
            raise SourceNotFound(
                name, searched=[str(root) for root in roots], nearest=nearest_files(name, roots)
            )
    _refuse_deep_nesting(found)
    _refuse_deep_imports(found)
    with _lock, _workplace(files, every_root) as folder:
        includes = [os.fsencode(entry) for entry in _includes(folder, len(every_root))]
        data = _run(folder, includes)
        errors = _errors(includes) if data is None else []
    if data is None:
        raise _error(errors, found, roots)
    kept = (file for file in split_set(data) if read_name(file) != UMBRELLA)
    return join_set(kept)


def _refuse_deep_nesting(files: Mapping[str, ProtoFile]) -> None:
    problems = [
        CompileProblem(str(file.path), 0, 0, f"brackets nest deeper than {MAX_NESTING} levels")
        for file in files.values()
        if file.nesting > MAX_NESTING
    ]
    if problems:
        raise CompileError(problems)


def _refuse_deep_imports(files: Mapping[str, ProtoFile]) -> None:
    if len(files) <= MAX_IMPORT_DEPTH:  # as nearly always
        return
    from graphlib import CycleError, TopologicalSorter

    graph = {name: [one for one in file.imports() if one in files] for name, file in files.items()}
    depths: dict[str, int] = {}
    try:
        for name in TopologicalSorter(graph).static_order():
            depths[name] = 1 + max((depths[one] for one in graph[name]), default=0)
    except CycleError as exc:
        depths = {exc.args[1][0]: len(exc.args[1])}
    deepest = max(depths, key=depths.__getitem__)
    if depths[deepest] > MAX_IMPORT_DEPTH:
        text = f"imports go {depths[deepest]} files deep, more than {MAX_IMPORT_DEPTH}"
        raise CompileError([CompileProblem(str(files[deepest].path), 0, 0, text)])


@contextlib.contextmanager
def _workplace(files: Sequence[str], roots: Sequence[Path]) -> Iterator[str]:
    """A folder with the umbrella, and a link for each root.

    protoc reads ``:`` and ``=`` in the path of a root as its own syntax; a link has neither.
    The umbrella is one file that imports all: given several files, protoc prints a warning for
    each import that is not used. An ``import public`` is used by its nature.
    """
    import tempfile

    with tempfile.TemporaryDirectory(prefix="ttrpc-toolkit-") as folder:
        for index, root in enumerate(roots):
            Path(folder, f"root{index}").symlink_to(os.path.abspath(root))  # noqa: PTH100
        umbrella = Path(folder, "umbrella", UMBRELLA)
        umbrella.parent.mkdir()
        lines = [b'import public "%s";\n' % _escaped(name) for name in files]
        umbrella.write_bytes(b'syntax = "proto3";\n' + b"".join(lines))
        yield folder


def _escaped(name: str) -> bytes:
    plain = (
        b"%c" % byte if 32 < byte < 127 and byte not in b'"\\' else b"\\%03o" % byte
        for byte in os.fsencode(name)
    )
    return b"".join(plain)


def _includes(folder: str, roots: int) -> list[str]:
    return [f"{folder}/umbrella", *(f"{folder}/root{index}" for index in range(roots))]


def _run(folder: str, includes: Sequence[bytes]) -> bytes | None:
    """The descriptor set; None when the compiler found errors."""
    from grpc_tools import _protoc_compiler  # 6 ms; grpc_tools.protoc around it would be 37

    out = Path(folder, "set")
    arguments = [
        b"protoc",
        *(b"-I" + include for include in includes),
        b"--include_imports",
        b"--include_source_info",
        b"--descriptor_set_out=" + os.fsencode(out),
        UMBRELLA.encode(),
    ]
    with _stderr_to_null():
        status = _protoc_compiler.run_main(arguments)
    return out.read_bytes() if status == 0 else None


def _errors(includes: Sequence[bytes]) -> list[_Error]:
    """What is wrong: another entrance of the compiler gives that in a structure."""
    import warnings

    from grpc_tools import _protoc_compiler

    with warnings.catch_warnings(), _stderr_to_null():
        warnings.simplefilter("ignore")
        try:
            _protoc_compiler.get_protos(UMBRELLA.encode(), list(includes))
        except _protoc_compiler.ProtocErrors as exc:
            return [
                _Error(os.fsdecode(one.filename), one.line, one.column, os.fsdecode(one.message))
                for one in exc.errors()
            ]
    raise SchemaError("the compiler refuses the files and says nothing against them")


@contextlib.contextmanager
def _stderr_to_null() -> Iterator[None]:
    """Keep the compiler's words, which it writes to file descriptor 2 itself, from the user.

    It holds the GIL all the while it works, so that no other thread's words are lost but those of
    the instants before and after.
    """
    try:
        saved = os.dup(2)
    except OSError:  # there is no standard error
        saved = None
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        if saved is None:
            os.close(2)
        else:
            os.dup2(saved, 2)
            os.close(saved)
        if null != 2:
            os.close(null)


def _error(
    errors: Sequence[_Error], files: Mapping[str, ProtoFile], roots: Sequence[Path]
) -> CompileError:
    importers = _importers(errors)
    missing = [error.file for error in errors if error.message == _NOT_FOUND]
    near = {name: nearest_files(name, roots, importer=importers.get(name, "")) for name in missing}
    searched = [str(root) for root in roots]
    problems = [
        CompileProblem(
            str(files[file].path) if file in files else file,
            line + 1,
            max(column, 0) + 1 if line >= 0 else 0,
            _explained(message, near, searched),
        )
        for file, line, column, message in errors
        if not _is_echo(file, message, near)
    ]
    problems = problems or [CompileProblem(file, 0, 0, text) for file, _, _, text in errors]
    if not missing:
        return CompileError(problems)
    first = missing[0]
    return ImportNotFound(problems, name=first, searched=searched, nearest=near[first])


def _importers(errors: Sequence[_Error]) -> dict[str, str]:
    matches = ((error.file, _IMPORT_FAILED.fullmatch(error.message)) for error in errors)
    return {match["name"]: file for file, match in matches if match is not None}


def _is_echo(file: str, message: str, missing: dict[str, list[str]]) -> bool:
    """Whether an error only repeats another one, from a file further up."""
    if file == UMBRELLA or message == _NOT_FOUND:
        return True
    match = _IMPORT_FAILED.fullmatch(message)
    return match is not None and match["name"] not in missing


def _explained(message: str, missing: dict[str, list[str]], searched: Sequence[str]) -> str:
    match = _IMPORT_FAILED.fullmatch(message)
    if match is None:
        return message
    near = missing[match["name"]]
    text = f'import "{match["name"]}" is in none of the import roots: {joined(searched, "and")}'
    return f"{text}; did you mean {joined(near)}?" if near else text
