"""Adam under masks: a step costs as much as a dense one, because an infinite second moment keeps a weight in place.

Adam moves a weight by m / (√v + ε) times its rate. With v = ∞ that is exactly 0, and v stays ∞ for any gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def hold(optimizer: torch.optim.Adam, weight: Tensor, kept: Tensor) -> bool:
    """Have `optimizer` leave the removed weights unchanged, and restart those that are kept again.

    Return False, with nothing done, where it has no moments of `weight` yet: before its first step.
    """
    state = optimizer.state.get(weight)
    if not state:
        return False
    first, second = state["exp_avg"], state["exp_avg_sq"]
    regrown = kept & second.isinf()
    first[regrown] = second[regrown] = 0.0
    second[~kept.expand_as(weight)] = math.inf
    return True
