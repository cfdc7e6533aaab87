"""A schema as ``.proto`` source: whole files, single symbols, and a tree on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from toolkit.schema.printing.comments import Comments
from toolkit.schema.printing.declarations import Declarations
from toolkit.schema.printing.filetext import file_text
from toolkit.schema.printing.optiontext import OptionReader
from toolkit.schema.printing.symboltext import file_name, symbol_text
from toolkit.schema.printing.typenames import TypeNames
from toolkit.schema.printing.writer import Style
from toolkit.schema.protofiles import is_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["Printer", "export", "print_file", "print_symbol"]

# As grpcurl writes what it describes, so that eyes and scripts that know it find their way.
_DESCRIBE = Style(qualified=True, spread=False, padded=True)


class HasFiles(Protocol):
    """A schema, as far as printing needs one."""

    @property
    def pool(self) -> DescriptorPool:
        """The pool that knows its extensions."""

    def file_protos(self) -> list[FileDescriptorProto]:
        """All its files, with source info where there is any."""


class Printer:
    """Prints files, given all the files that they import and a pool of them."""

    def __init__(self, files: Iterable[FileDescriptorProto], pool: DescriptorPool) -> None:
        self._files = {file.name: file for file in files}
        self._names = TypeNames(self._files.values())
        self._pool = pool

    def file(
        self,
        file: FileDescriptorProto,
        *,
        header: Sequence[str] = (),
        docs: Mapping[str, str] | None = None,
    ) -> str:
        """The source of one file.

        Args:
            file: the file, with source info when its comments and order are to be kept.
            header: lines of a comment at the top.
            docs: comments by full name, instead of the file's own.
        """
        comments = Comments(file, docs)
        options = OptionReader(self._pool, self._names, self._visible(file))
        declarations = Declarations(file, self._names, options, comments, Style())
        return file_text(file, declarations, comments, header)

    def symbol(
        self, file: FileDescriptorProto, descriptor: Any, docs: Mapping[str, str] | None = None
    ) -> str:
        """The source of one symbol of a file, compact, with full type names."""
        comments = Comments(file, docs, detached=False)
        options = OptionReader(self._pool, self._names)
        declarations = Declarations(file, self._names, options, comments, _DESCRIBE)
        return symbol_text(file, declarations, descriptor)

    def _visible(self, file: FileDescriptorProto) -> set[str]:
        """The file, what it imports, and what that imports publicly."""
        found = {file.name}
        waiting = [*file.dependency, *file.option_dependency]
        for name in waiting:  # grows as public imports are found
            if name not in found:
                found.add(name)
                other = self._files.get(name)
                if other is not None:
                    waiting += [other.dependency[index] for index in other.public_dependency]
        return found


def print_file(
    file: FileDescriptorProto,
    schema: HasFiles,
    *,
    header: Sequence[str] = (),
    docs: Mapping[str, str] | None = None,
) -> str:
    """The source of one file of a schema; compiled again, it gives an equal descriptor."""
    return Printer(schema.file_protos(), schema.pool).file(file, header=header, docs=docs)


def print_symbol(schema: HasFiles, descriptor: Any, docs: Mapping[str, str] | None = None) -> str:
    """The source of one symbol: a message, field, oneof, enum, value, extension, service or method.

    Type names are in full with a leading dot; comments and options are kept, and ``docs`` has
    comments by full name that stand instead.
    """
    files = schema.file_protos()
    name = file_name(descriptor)
    file = next(file for file in files if file.name == name)
    return Printer(files, schema.pool).symbol(file, descriptor, docs)


def export(schema: HasFiles, folder: Path) -> list[Path]:
    """Write the source of all the schema's files below a folder, all or nothing.

    The ``google/protobuf`` files that the compiler brings along are left out. Files of the same
    names are replaced, others are left alone.

    Returns:
        The files that were written.

    Raises:
        SchemaError: a file's name would lead out of the folder.
        OSError: the folder cannot be written.
    """
    from toolkit.schema.tree import write_tree  # tempfile and shutil, which only writing pays

    files = schema.file_protos()
    printer = Printer(files, schema.pool)
    return write_tree(
        folder, {file.name: printer.file(file) for file in files if not is_engine(file.name)}
    )
