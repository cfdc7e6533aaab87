"""Keeping the allocator from giving memory back between two long frames."""

from __future__ import annotations

import functools

__all__ = ["LONG", "expect_long_frames"]

LONG = 1 << 20  # bytes from which on a frame is long


@functools.cache
def expect_long_frames() -> None:
    """Called for every long frame; the first one has an effect.

    glibc maps long blocks anew, or trims its heap, after each of them, and the kernel then clears
    the same thousand pages for every call: that is more than half the time of a call with 4 MiB.
    Both thresholds follow the largest block that was ever freed (mallopt(3), M_MMAP_THRESHOLD),
    so one block that is freed untouched raises them to their limit. The price is that a process
    which has had long frames keeps up to 64 MiB of heap that it has used.
    """
    bytes((32 << 20) - 8192)
