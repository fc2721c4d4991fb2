"""Records that keep which examples were answered right, so that two runs compare example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from optimizer.reproduce.ledger import Scored
from optimizer.reproduce.rows import Difference


class Answered(Scored):
    """A run with its answers: `right` holds one bit per reported example, packed and in hexadecimal."""

    right: str
    examples: int

    @property
    def correct(self) -> NDArray[np.float64]:
        """1.0 for every reported example that was answered right: `(examples,)`."""
        bits = np.frombuffer(bytes.fromhex(self.right), dtype=np.uint8)
        return np.unpackbits(bits, count=self.examples).astype(np.float64)


Answers = TypeVar("Answers", bound=Answered)


def packed(correct: NDArray[Any]) -> str:
    """Return the bits of `(n,)` truth values, eight to a byte, in hexadecimal."""
    return np.packbits(correct.astype(bool)).tobytes().hex()


def difference(ours: Mapping[int, Answers], others: Mapping[int, Answers]) -> Difference:
    """Return the accuracy of `ours` minus that of `others`, over the seeds that both have and the same examples.

    Per example the difference is averaged over the runs, then over the examples with Student's interval: it says what
    other examples would have changed, not what other seeds would.
    """
    seeds = sorted(ours.keys() & others.keys())
    return Difference.of(np.mean([ours[seed].correct - others[seed].correct for seed in seeds], axis=0))
