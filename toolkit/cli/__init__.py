"""The command ``ttrpc``: one module a verb; ``main`` runs one command line."""

from toolkit.cli.program import entry, main

__all__ = ["entry", "main"]
