"""``ttrpc export``: a schema as ``.proto`` files or as a descriptor set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.cli import sources
from toolkit.cli.errors import SUCCESS, CommandError, UsageError
from toolkit.cli.output import data, write_file

if TYPE_CHECKING:
    from toolkit.cli.arguments import Options
    from toolkit.schema.pool import Schema

__all__ = ["ABOUT", "FLAGS", "USAGE", "run"]

USAGE = "-s SCHEMA (--proto-dir DIR | --descriptor-set FILE)"
FLAGS = ("schema", "import_root", "proto_dir", "descriptor_set")
ABOUT = """\
Write a schema with everything it imports: as .proto files in a tree below
DIR, whose paths are printed, or as one binary FileDescriptorSet with the
comments in it."""


def run(options: Options) -> int:
    """Write what was asked for."""
    if options.arguments:
        raise UsageError(f"export takes no arguments, not {options.arguments[0]!r}")
    if len(options.schema) != 1:
        raise UsageError(f"export wants one -s SCHEMA, not {len(options.schema)}")
    if (options.proto_dir is None) == (options.descriptor_set is None):
        raise UsageError("export wants either --proto-dir or --descriptor-set")
    schema = sources.given_or_newest(options)[0]
    try:
        _export(schema, options)
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
