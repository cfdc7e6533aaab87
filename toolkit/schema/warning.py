"""Warnings that are seen by who asks for them: ``logging`` as set up by the program, or ``-v``."""

from __future__ import annotations

__all__ = ["warn"]


def warn(name: str, text: str, *values: object) -> None:
    """Log a warning under a module's name."""
    import logging  # 8 ms, and nearly never needed

    logger = logging.getLogger(name)
    if not logger.hasHandlers():
        logger.addHandler(logging.NullHandler())  # or logging prints it unasked
    logger.warning(text, *values)
