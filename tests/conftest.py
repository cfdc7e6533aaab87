"""What holds for the whole run."""

from __future__ import annotations

import gc
import os
import sys

from hypothesis import settings

# Where everything is to be shown, laws are tried on more examples.
settings.register_profile("brief", max_examples=30)
settings.register_profile("whole", max_examples=150)
settings.load_profile("whole" if os.environ.get("INTEROP") == "required" else "brief")

# Every test that starts Python would compile the toolkit once more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_collection_finish() -> None:
    """Keep thousands of tests out of what the collector looks through, a tenth of a second each."""
    gc.collect()
    gc.freeze()
