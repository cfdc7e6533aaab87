"""Schemas: where they come from, how they are compiled and cached, and what they answer."""
