"""Expected hypervolume improvement: how much more of the space of losses a point promises to cover.

It is the integral, over what nobody reaches yet, of the probability to be at least as good (Emmerich et al. 2006,
https://doi.org/10.1109/TEVC.2005.859463). Here it is taken along rays from the worst corner, which makes it as cheap
for many losses as for two (Zhang and Golovin 2020, arXiv:2006.04655).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from optimizer.samplers.rows import Rows

RAYS = 12
SLACK = 0.02  # of their spread, by which the corner lies behind all losses; 0.1 draws half of the points to that rim
STEPS = np.geomspace(0.01, 1.0, 3)  # along a ray, past what is reached, in the unit of the losses


@dataclass(frozen=True)
class Corner:
    """Where rays begin: losses `worst` `(m,)`, behind which nobody counts, in steps of `unit` `(m,)`."""

    worst: Rows
    unit: Rows

    @classmethod
    def of(cls, losses: Rows, front: Sequence[int], limits: Rows) -> Self:
        """Return the corner for losses `(n, m)`, of which rows are on the front, none above `limits` `(m,)`.

        It lies a little behind all losses, so that the front may become wider.
        """
        spread = np.ptp(losses, axis=0)
        worst = np.minimum(losses.max(axis=0) + SLACK * spread, limits)
        unit = worst - (losses[front] if len(front) else losses).min(axis=0)
        return cls(worst, np.where(unit > 0, unit, np.where(spread > 0, spread, 1.0)))

    def goals(self, front: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """Return losses `(k, m)` on random rays past the front `(f, m)`, and the logarithms of their weights `(k,)`."""
        rays = np.abs(rng.standard_normal((RAYS, len(self.worst))))
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        gains = (self.worst - front) / self.unit
        reached = (gains / rays[:, None]).min(axis=2).max(axis=1, initial=0.0)
        lengths = reached[:, None] + STEPS
        weights = (len(self.worst) - 1) * np.log(lengths) + np.log(STEPS)
        goals = self.worst - self.unit * rays[:, None] * lengths[..., None]
        return goals.reshape(-1, len(self.worst)), weights.ravel()
