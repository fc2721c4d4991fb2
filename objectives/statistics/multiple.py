"""Several members certified at once: Holm's step-down keeps the chance of even one false certificate at 5 %."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def holm(p_values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values `(k,)` adjusted for all `k` questions; an adjusted one at or below 5 % is a certificate.

    The bound that is reported beside a verdict stays the member's own one-sided 95 % bound; only the verdict is
    corrected. So a bound may be within ε without a certificate, never the other way round.

    Reference: Holm 1979, https://www.jstor.org/stable/4615733.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError(f"p-values must be in [0, 1], got {p}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
