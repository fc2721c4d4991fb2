"""Trim: return freed memory to the system between candidates.

Every candidate's layers have different sizes, so glibc's heap fragments: over a hundred candidates a study that needs
0.8 GB grows to 2.7 GB. A trim takes milliseconds and prevents this growth.
"""

from __future__ import annotations

import ctypes
import sys


def trim_memory() -> None:
    """Return freed heap pages to the system where the C library can (glibc); do nothing elsewhere."""
    if not sys.platform.startswith("linux"):
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
