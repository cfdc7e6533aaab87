"""Benchmarks of what is promised: ``python -m tests.bench``; one module a subject."""
