"""Warps: what Gaussian processes see of losses, which lie many times farther apart where nobody wants them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from optimizer.samplers.rows import Rows

NARROWEST = 1e-9  # of a warp, as a share of the largest value


@dataclass(frozen=True)
class Warp:
    """A rising function: nearly linear within `width` of `centre`, logarithmic farther away, then scaled.

    As it rises, a value lies below another one exactly where it does when both are warped.
    """

    centre: float
    width: float
    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def to(cls, values: Rows, *, centre: float, width: float) -> Self:
        """Return the warp by which `values` `(n,)` have mean 0 and deviation 1, or are all 0 where they are equal."""
        width = max(width, NARROWEST * float(np.abs(values).max()), np.finfo(float).tiny)
        warped = cls(centre, width)(values)
        deviation = float(warped.std()) if np.ptp(values) > 0 else 0.0
        return cls(centre, width, float(warped.mean()), deviation or 1.0)

    def __call__(self, values: Rows) -> Rows:
        """Return the warped values, of the same shape."""
        away = (values - self.centre) / self.width
        warped: Rows = (np.sign(away) * np.log1p(np.abs(away)) - self.mean) / self.deviation
        return warped

    def of(self, warped: Rows) -> Rows:
        """Return the values that are warped to these."""
        away = warped * self.deviation + self.mean
        values: Rows = self.centre + self.width * np.sign(away) * np.expm1(np.abs(away))
        return values
