"""``ttrpc export``: a schema as ``.proto`` files or as a descriptor set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli.errors import SUCCESS, CommandError, UsageError
from toolkit.cli.output import data, write_file
from toolkit.cli.sources import Sources
from toolkit.cli.target import at

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "[ADDRESS] (--proto-dir DIR | --descriptor-set FILE)"
FLAGS = (
    "schema",
    "import_root",
    "proto_dir",
    "descriptor_set",
    "connect_timeout",
    "no_probe",
)
ABOUT = """\
Write a schema with everything it imports: as .proto files in a tree below
DIR, whose paths are printed, or as one binary FileDescriptorSet with the
comments in it. The schema of the server at ADDRESS is found as `ttrpc list`
does."""


def run(options: Options) -> int:
    """Write what was asked for."""
    if len(options.arguments) > 1:
        raise UsageError(f"export takes one ADDRESS, not {options.arguments[1]!r} too")
    if len(options.schema) > 1 or not (options.schema or options.arguments):
        raise UsageError(f"export wants an ADDRESS or one -s SCHEMA, not {len(options.schema)}")
    if (options.proto_dir is None) == (options.descriptor_set is None):
        raise UsageError("export wants either --proto-dir or --descriptor-set")
    with at(next(iter(options.arguments), None), options) as peer:
        schemas = Sources(options, peer).offered()
    if len(schemas) > 1:
        names = " and ".join(schema.name for schema in schemas)
        raise CommandError(f"export writes one schema; here are {names}: name one with -s")
    try:
        _export(schemas[0], options)
    except BrokenPipeError:
        raise
    except OSError as exc:  # its file name may be that of a temporary file
        target = options.proto_dir or options.descriptor_set
        raise CommandError(f"cannot write {target}: {exc.strerror}") from exc
    return SUCCESS


def _export(schema: Schema, options: Options) -> None:
    if options.proto_dir is not None:
        _write_protos(schema, options.proto_dir)
    if options.descriptor_set is not None:
        write_file(options.descriptor_set, _descriptor_set(schema))


def _write_protos(schema: Schema, folder: str) -> None:
    from pathlib import Path

    from toolkit.schema.printing import export

    for path in export(schema, Path(folder)):
        data(str(path))


def _descriptor_set(schema: Schema) -> bytes:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    return FileDescriptorSet(file=schema.file_protos()).SerializeToString(deterministic=True)
