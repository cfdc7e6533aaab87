"""What is said of a schema's symbols: its own comments, else those of a vendored release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import SchemaError
from toolkit.schema.elsewhere import may_have
from toolkit.schema.load import schema_from
from toolkit.schema.releases import newest_first
from toolkit.schema.sources import VendoredSource
from toolkit.schema.symbols import comments_by_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.schema.pool import Schema

__all__ = ["said_elsewhere"]


def said_elsewhere(schema: Schema, symbol: str) -> Mapping[str, str]:
    """Comments by full name, from the newest vendored release that has a symbol.

    Empty where the schema has comments of its own: programs and reflection have none.

    Args:
        schema: what the symbol is described from.
        symbol: its full name.
    """
    files = schema.file_protos()
    if schema.release is not None or any(file.HasField("source_code_info") for file in files):
        return {}
    for release in newest_first():
        if not may_have(release, symbol):
            continue
        try:
            known = schema_from(VendoredSource(release))
        except SchemaError:
            continue
        if symbol in known.symbols():
            words: dict[str, str] = {}
            for file in known.file_protos():
                words |= comments_by_name(file)
            return words
    return {}
