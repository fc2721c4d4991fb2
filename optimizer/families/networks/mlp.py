"""Multilayer perceptrons: flattened images, hidden layers with ReLU, one output per class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from optimizer.tasks.images.known import Shape

SMALL = (16, 16)  # Douzandeh Zenoozi et al. 2026, section 3.4.1
MEDIUM = (4000, 1000, 4000)  # section 3.4.2


def mlp(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Sequential:
    """Return an untrained MLP for images of `shape`."""
    widths = [math.prod(shape), *hidden]
    layers = [module for n_in, n_out in pairwise(widths) for module in (nn.Linear(n_in, n_out), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(widths[-1], classes))
