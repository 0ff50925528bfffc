"""Gives memory of a finished stage back to the system."""

from __future__ import annotations

import ctypes
import gc
import sys


def return_memory() -> None:
    """Collects garbage and lets the C library return its free pages.

    Training leaves gigabytes of freed blocks with the allocator, on top of which the
    evaluation would ask for more. Does nothing beyond the collection where the C
    library is not glibc.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
