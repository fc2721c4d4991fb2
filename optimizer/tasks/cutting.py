"""Cut examples into batches of at least two: a batch norm cannot learn from a single image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def in_batches(places: NDArray[np.integer[Any]], size: int) -> list[NDArray[np.integer[Any]]]:
    """Return `places` `(n,)` in batches of `size`, the last one smaller; a lone last one joins the batch before."""
    cuts = list(range(size, len(places), size))
    if cuts and size > 1 and len(places) - cuts[-1] == 1:
        cuts.pop()
    return np.split(places, cuts)


def batch_count(examples: int, size: int) -> int:
    """Return the number of batches that `in_batches` makes of this many examples."""
    return len(in_batches(np.arange(examples), size))
