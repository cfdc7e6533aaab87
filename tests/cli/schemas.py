"""One schema in every form that ``-s`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import json_format, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import toolkit
from toolkit.schema.files import read_file

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FORMS", "arguments"]

FORMS = ("release", "proto", "directory", "binary", "text", "json", "executable")


def arguments(form: str, folder: Path) -> list[str]:
    """The flags that name ``containerd@2.3`` in this form; files go into ``folder``."""
    schema = toolkit.load("containerd@2.3")
    assert schema.release is not None
    root = schema.release.root
    (task,) = root.rglob("task/v3/shim.proto")
    if form == "release":
        return ["-s", "containerd@2.3"]
    if form == "proto":
        return ["-s", str(task), "-I", str(root)]
    if form == "directory":
        return ["-s", str(root), "-I", str(root)]
    if form == "executable":
        program = folder / "program"
        plain = (file.data for file in map(read_file, schema.files().values()))
        program.write_bytes(b"\x7fELF" + b"\0\0code\0\0".join(plain))
        return ["-s", f"binary:{program}"]
    # Text and JSON are read by Python, slowly: the comments are four fifths of them.
    files = FileDescriptorSet(file=toolkit.load(task, roots=[root]).file_protos())
    if form != "binary":
        for file in files.file:
            file.ClearField("source_code_info")
    path = folder / {"binary": "x.binpb", "text": "x.txtpb", "json": "x.json"}[form]
    if form == "binary":
        path.write_bytes(files.SerializeToString())
    else:
        write = text_format.MessageToString if form == "text" else json_format.MessageToJson
        path.write_text(write(files))
    return ["-s", str(path)]
