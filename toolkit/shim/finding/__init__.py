"""Finding the shims of a host, asking whether they answer, and connecting to one by its name."""
