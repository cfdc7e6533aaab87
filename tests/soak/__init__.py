"""Many mixed calls, and nothing left of them: ``python -m tests.soak``."""
