"""What masks cost: an epoch that keeps masks against a dense one, in turn, in one run; and where sparse rows win.

python -m benchmarks.masks [--models mlp-small,vgg11] [--threads 1]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from objectives.guard import measuring
from objectives.latency import interleaved_latency
from objectives.repeats import median_with_interval
from optimizer.families.networks.models import new_model
from optimizer.tasks.images.examples import PIXELS
from optimizer.training.energy import adam
from optimizer.training.images import ImageLoss
from optimizer.training.learner import Learner
from search_spaces.transforms.masks.choose import drop_lowest
from search_spaces.transforms.masks.csr import SparseLinear
from search_spaces.transforms.masks.layers import magnitudes
from search_spaces.transforms.masks.schedules.schedule import SparseTraining
from search_spaces.transforms.masks.schedules.table import SCHEDULES, ScheduleName
from search_spaces.transforms.masks.target import Target

SHAPE = (1, 28, 28)
EXAMPLES = 60_000  # of one epoch
STEPS = {"mlp-small": 500, "mlp-medium": 8}  # timed at once; 1 for any other model
BATCHES = {"mlp-small": 4, "mlp-medium": 4}  # as published; 64 for any other model
ROUNDS, SECONDS = 11, 30.0
WIDTHS, SPARSITIES, BATCH = (256, 1024, 4096), (0.5, 0.8, 0.9, 0.95, 0.99), 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="mlp-small,mlp-medium,vgg11")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.models.split(","):
        for schedule in ("pre-training", "set"):
            print(f"{name:11} {schedule:13} epoch with masks / dense epoch: {epoch_ratio(name, schedule)}")
    for width in WIDTHS:
        ratios = ", ".join(f"{sparsity:.0%} {rows_ratio(width, sparsity):.2f}" for sparsity in SPARSITIES)
        print(f"{width}×{width} at batch {BATCH}, compressed rows / dense: {ratios}")


def epoch_ratio(name: str, schedule: ScheduleName) -> str:
    """Return the time of a masked epoch over that of a dense one, in words, put together from steps and the swap.

    Steps of both are timed in turn, and compared round by round; the swap is timed on its own and shared out.
    """
    dense, masked = Epoch(name, None), Epoch(name, schedule)
    runs, rng = {"dense": dense.steps, "masked": masked.steps}, np.random.default_rng(0)
    samples = interleaved_latency(runs, threads=torch.get_num_threads(), rng=rng, min_rounds=ROUNDS, seconds=SECONDS)
    swap_s = min(seconds(masked.end) for _ in range(3))
    swap = swap_s * dense.examples / EXAMPLES / float(np.median(samples["dense"]))
    ratio, interval = median_with_interval(samples["masked"] / samples["dense"] + swap)
    assert interval is not None
    return f"{ratio:.3f} [{interval.lower:.3f}, {interval.upper:.3f}]"


class Epoch:
    """A few steps of an epoch on one batch, and its end."""

    def __init__(self, name: str, schedule: ScheduleName | None) -> None:
        model = new_model(name, SHAPE, 10, seed=0).train()
        optimizer = adam(model, 1e-4)
        self._learner = Learner(model, loss=ImageLoss(), optimizer=optimizer)
        generator = torch.Generator().manual_seed(0)
        self._sparse = SparseTraining(model, Target(ratio=0.5), generator=generator, optimizer=optimizer)
        self._rule = SCHEDULES[schedule]() if schedule else None
        if self._rule is not None:
            self._rule.start(self._sparse)
        size, self._count = BATCHES.get(name, 64), STEPS.get(name, 1)
        self._batch = {PIXELS: torch.randn(size, *SHAPE), "labels": torch.randint(10, (size,))}
        self.examples = size * self._count

    def steps(self) -> None:
        for _ in range(self._count):
            self._learner.step(self._batch)
            self._sparse.keep_masks()

    def end(self) -> None:
        if self._rule is not None:
            self._rule.end_epoch(self._sparse, 1, 2)


def rows_ratio(width: int, sparsity: float) -> float:
    """Return the time of a layer in compressed rows over that of the same layer dense."""
    layer = nn.Linear(width, width)
    with torch.no_grad():
        layer.weight.mul_(drop_lowest(magnitudes(layer), round(sparsity * layer.weight.numel())))
    rows, inputs = SparseLinear(layer), torch.randn(BATCH, width)
    with measuring(layer, rows):
        runs = {"dense": lambda: layer(inputs), "rows": lambda: rows(inputs)}
        rng, threads = np.random.default_rng(0), torch.get_num_threads()
        samples = interleaved_latency(runs, threads=threads, rng=rng, seconds=1.0)
    return float(np.median(samples["rows"] / samples["dense"]))


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
