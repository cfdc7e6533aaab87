"""What the files in a bundle are called, by containerd, by the shim and by the OCI's runtimes."""

from __future__ import annotations

__all__ = ["ADDRESS_FILE", "BINARY_FILE", "BOOTSTRAP_FILE", "LOG", "SPEC"]

SPEC = "config.json"  # what to run
LOG = "log"  # the fifo that a shim writes its log to
BOOTSTRAP_FILE = "bootstrap.json"  # where the shim listens, noted by containerd since 1.7
ADDRESS_FILE = "address"  # the same, noted by the shim; containerd up to 1.6 finds it by this
BINARY_FILE = "shim-binary-path"  # which program the shim is, noted by containerd since 1.6
