"""The Sandbox service: a life that is right, for shims that fill it."""
