"""Steps: a convolution whose kernel computes blocks of channels takes as long for each width of a block.

Whether a layer has them is measured: at an end of a block, in the middle of it, and at the end before. A width between
two ends then costs what the next end does, so a search that goes by the table's seconds takes the wider layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import nn

from objectives.latency import CPU_COPIES
from objectives.repeats import ratio_with_interval
from objectives.rounds import Run

BLOCK = 16  # channels that kernels of vector processors and of GPUs compute together
TRIED = (0.5, 0.75)  # of the dense width: near where ends are tried
Samples = NDArray[np.float64]
Times = Callable[[dict[int, Run]], dict[int, Samples]]  # seconds `(rounds,)` of runs in the same rounds


def step_of(layer: nn.Module, widths: Sequence[int], run_at: Callable[[int], Run], times: Times) -> int:
    """Return `BLOCK` where the layer's time goes in steps of so many entries of a side, else 1.

    `widths` are those that the side may have, ascending, the last one dense: without one inside a block there is
    nothing to find. `run_at` makes a run at a width.
    """
    ends = sorted({int(share * widths[-1]) // BLOCK * BLOCK for share in TRIED})
    if not isinstance(layer, nn.Conv2d) or ends[0] <= BLOCK or not any(width % BLOCK for width in widths[:-1]):
        return 1
    tried = sorted({end - before for end in ends for before in (0, BLOCK // 2, BLOCK)})
    samples = times({width: run_at(width) for width in tried})
    is_step = partial(_is_step, samples)
    return BLOCK if all(map(is_step, ends)) else 1


def _is_step(samples: dict[int, Samples], end: int) -> bool:
    """Return whether the middle of a block costs what its end does, and the block more than the one before.

    The middle must be shown to lie above the line between the two ends, nearer to the upper end, and not below that.
    """
    before, middle, whole = (samples[end - less] for less in (BLOCK, BLOCK // 2, 0))
    _, above = ratio_with_interval(middle / (0.25 * before + 0.75 * whole), copies=CPU_COPIES)
    _, same = ratio_with_interval(middle / whole, copies=CPU_COPIES)
    _, gained = ratio_with_interval(before / whole, copies=CPU_COPIES)
    if above is None or same is None or gained is None:
        return False
    return above.lower > 1 and same.upper >= 1 and gained.upper < 1


def end_of(width: int, step: int, dense: int) -> int:
    """Return the widest that costs as much as `width`."""
    return min(dense, -(-width // step) * step)
