"""Shims: so far, a demo runtime whose containers are plain host processes."""

from __future__ import annotations

__all__: list[str] = []
