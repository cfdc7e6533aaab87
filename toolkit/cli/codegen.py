"""``ttrpc codegen``: typed Python modules for a schema."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.cli.errors import FAILURE, SUCCESS, CommandError, UsageError
from toolkit.cli.output import data, note
from toolkit.cli.sources import SERVICE, Sources

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "-s SCHEMA --out DIR [--service S]... [--check]"
FLAGS = ("schema", "import_root", "out", "service", "check", "templates", "list_templates")
ABOUT = """\
Write the package DIR: for each proto package of SCHEMA a module with its
messages and enums, and for each service clients and what a server implements,
blocking and for asyncio. Its .py files bind names to the classes of the schema
as it is loaded at run time; its .pyi files tell editors and type checkers all
about them. With --service, only that service and what it needs.

--check writes nothing: it prints a diff, and exits with 1, where DIR is not
what would be written."""


def run(options: Options) -> int:
    """Write the package, or compare it with what is there."""
    from toolkit.codegen.render import template_names

    if options.arguments:
        raise UsageError(f"codegen takes no arguments, not {options.arguments[0]!r}")
    folders = [Path(folder) for folder in options.templates]
    for folder in folders:
        if not folder.is_dir():
            raise CommandError(f"--templates {folder}: there is no such folder")
    if options.list_templates:
        data("\n".join(template_names(folders)))
        return SUCCESS
    if len(options.schema) != 1 or not options.out:
        raise UsageError("codegen wants one -s SCHEMA, and --out DIR")
    files = _files(options, folders)
    return _check(Path(options.out), files) if options.check else _write(options.out, files)


def _files(options: Options, folders: list[Path]) -> dict[str, bytes]:
    from toolkit.codegen.build import build
    from toolkit.codegen.render import render
    from toolkit.schema.files import join_set

    sources = Sources(options)
    schema = sources.offered()[0]
    sources.explain(schema)
    names = [sources.search(SERVICE, name.lstrip("."))[1].name for name in options.service]
    source = schema.release.name if schema.release is not None else ""
    package = build(_kept(schema), source, names)
    if not package.modules:
        raise CommandError(f"{schema.name} declares nothing that could be generated")
    files = {name: text.encode() for name, text in render(package, folders).items()}
    if not source:
        files["schema.binpb"] = join_set(schema.files().values())
    return files


def _kept(schema: Schema) -> Schema:
    """The schema as the package will load it: what is no release from the set beside it."""
    from toolkit.schema.load import schema_from
    from toolkit.schema.sources import DescriptorSetSource

    if schema.release is not None:
        return schema
    name = Path(schema.name).name or schema.name
    return schema_from(DescriptorSetSource(list(schema.files().values()), name))


def _check(folder: Path, files: dict[str, bytes]) -> int:
    from toolkit.codegen.writing import differences

    try:
        found = differences(folder, files)
    except OSError as exc:
        where = exc.filename or folder
        raise CommandError(f"cannot read {where}: {exc.strerror or exc}") from exc
    if not found:
        return SUCCESS
    data(found.rstrip("\n"))
    note(f"{folder} is not what `ttrpc codegen` would write now")
    return FAILURE


def _write(out: str, files: dict[str, bytes]) -> int:
    from toolkit.codegen.writing import write_package

    try:
        write_package(Path(out), files)
    except OSError as exc:
        raise CommandError(f"cannot write {out}: {exc.strerror or exc}") from exc
    return SUCCESS
