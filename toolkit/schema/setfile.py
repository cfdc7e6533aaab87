"""A ``FileDescriptorSet`` in a file: binary, protobuf text or JSON."""

from __future__ import annotations

from typing import Any

from toolkit.errors import SchemaError
from toolkit.schema.files import read_file, split_set

__all__ = ["SUFFIXES", "read_set"]

TEXT_SUFFIXES = frozenset({".pbtxt", ".textproto", ".txtpb", ".txt", ".prototxt"})
JSON_SUFFIXES = frozenset({".json"})
BINARY_SUFFIXES = frozenset({".binpb", ".desc", ".fds", ".pb", ".protoset", ".bin"})

SUFFIXES = TEXT_SUFFIXES | JSON_SUFFIXES | BINARY_SUFFIXES


def read_set(data: bytes, suffix: str = "") -> list[bytes]:
    """The serialized files of a set in whichever of the three forms; the suffix is a hint.

    Raises:
        SchemaError: it is none of them.
    """
    if suffix in JSON_SUFFIXES or (suffix not in BINARY_SUFFIXES and data.lstrip()[:1] == b"{"):
        return _split(_from_json(data))
    if suffix in TEXT_SUFFIXES:
        return _split(_from_text(data))
    files = split_set(data)
    if not files:
        raise SchemaError("no descriptor set: it has no file in it")
    for file in files:
        read_file(file)
    return files


def _split(file_set: Any) -> list[bytes]:
    if not file_set.file:
        raise SchemaError("no descriptor set: it has no file in it")
    return [file.SerializePartialToString() for file in file_set.file]


def _from_text(data: bytes) -> Any:
    from google.protobuf import descriptor_pb2, text_format

    try:
        # Custom options travel in such sets, containerd's own too, without the file that declares
        # them; they are no part of the interface.
        return text_format.Parse(
            data.decode(),
            descriptor_pb2.FileDescriptorSet(),
            allow_unknown_extension=True,
            allow_unknown_field=True,
        )
    except (text_format.ParseError, UnicodeDecodeError) as exc:
        raise SchemaError(f"no descriptor set in text: {exc}") from exc


def _from_json(data: bytes) -> Any:
    from google.protobuf import descriptor_pb2, json_format

    try:
        return json_format.Parse(
            data, descriptor_pb2.FileDescriptorSet(), ignore_unknown_fields=True
        )
    except (json_format.ParseError, UnicodeDecodeError) as exc:
        raise SchemaError(f"no descriptor set in JSON: {exc}") from exc
