"""Ranks: who of the told comes first, where a sampler learns from the best."""

from __future__ import annotations

from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from optimizer.samplers.protocol import Told
from optimizer.samplers.rows import rows


def ranks_of(told: Sequence[Told]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the losses `(n, m)` and ranks `(n,)`, the best 0.

    Feasible ones rank by who dominates whom, behind them the others by the sum of their violations.
    """
    losses = rows([each.losses for each in told])
    violation = np.maximum(rows([each.violations for each in told]), 0.0).sum(axis=1)
    feasible = violation == 0
    ranks = np.zeros(len(told), dtype=np.intp)
    if feasible.any():
        ranks[feasible] = moocore.pareto_rank(losses[feasible])
    behind = ranks[feasible].max(initial=-1) + 1
    ranks[~feasible] = behind + np.unique(violation[~feasible], return_inverse=True)[1]
    return losses, ranks
