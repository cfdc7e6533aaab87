"""What the tests of schemas share: compiling a folder, and descriptors in a form to compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from toolkit.schema.compile import compile_protos
from toolkit.schema.files import split_set
from toolkit.schema.linking import link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.descriptor_pool import DescriptorPool

ZOO = Path(__file__).parent / "zoo"


class Compiled(NamedTuple):
    """Compiled files; what a schema gives to a printer."""

    pool: DescriptorPool
    files: dict[str, FileDescriptorProto]

    def file_protos(self) -> list[FileDescriptorProto]:
        return list(self.files.values())


def compile_folder(root: Path, names: Iterable[str] = ()) -> Compiled:
    """All files of a folder, or some, with the folder as the only import root."""
    chosen = list(names) or sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*.proto")
    )
    serialized = split_set(compile_protos(chosen, [root]))
    pool, _ = link(str(root), serialized)
    files = [FileDescriptorProto.FromString(one) for one in serialized]
    return Compiled(pool, {file.name: file for file in files})


def write_files(root: Path, texts: Mapping[str, str]) -> Path:
    """Write source files below a folder."""
    for folder in {(root / name).parent for name in texts}:
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def normal(value: Any, *, without: tuple[str, ...] = ("source_code_info",)) -> Any:
    """A descriptor as plain values; custom options in the order of their numbers."""
    if isinstance(value, (str, bytes, int, float)):
        return value
    if not isinstance(value, Message):
        return [normal(one, without=without) for one in value]
    known = {
        field.name: normal(inner, without=without)
        for field, inner in value.ListFields()
        if field.name not in without
    }
    unknown: Any = UnknownFieldSet(value)
    return known, sorted((one.field_number, one.wire_type, one.data) for one in unknown)
