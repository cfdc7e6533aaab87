"""The package's own lines, compiled again once for all who hold them against their record."""

from __future__ import annotations

import functools

from toolkit.schema.vendoring import verifying

__all__ = ["verify_line"]

verify_line = functools.cache(verifying.verify_line)
