"""Typed modules for a schema: what `ttrpc codegen` writes, and what it calls when imported."""
