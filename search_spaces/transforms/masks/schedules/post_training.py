"""Post-training pruning: the trained model loses its smallest weights (L1), at once or step by step until ε breaks.

References: Douzandeh Zenoozi et al. 2025, section 3.1.3; the steps are those of Smarts et al. 2025, Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.schedules.schedule import SparseTraining
from search_spaces.transforms.masks.target import Target

STEP = 0.01


class PostTraining:
    """Trains dense and prunes once, after the last epoch."""

    def share_after(self, epoch: int, epochs: int, /) -> float:
        """Return 1 after the last epoch, 0 before."""
        return float(epoch == epochs)

    def start(self, sparse: SparseTraining) -> None:
        """Leave the masks open."""

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Remove the units of the smallest L1 norm once training is over."""
        if epoch == epochs:
            layers = sparse.masks.layers
            sparse.set_masks(without_weakest(layers, magnitude_scores(layers), sparse.target))


def prune_within(
    masks: Masks, target: Target, *, drop: Callable[[], float], epsilon: float, step: float = STEP
) -> float:
    """Prune a trained model further by `step` until its drop exceeds `epsilon`, and return the last ratio within it.

    Args:
        masks: of the trained model; left at the ratio returned.
        target: its scope; its ratio is the highest that is tried.
        drop: evaluates the model as it is.
        epsilon: tolerated drop.
        step: of the ratio.
    """
    layers, reached = masks.layers, 0.0
    before = {name: layer.weight.detach().clone() for name, layer in layers.items()}
    kept = {name: masks.kept(name) for name in layers}
    scores = magnitude_scores(layers)
    for index in range(1, round(target.ratio / step) + 1):
        tried = without_weakest(layers, scores, replace(target, ratio=index * step))
        masks.set(tried)
        if drop() > epsilon:
            break
        reached, kept = index * step, tried
    for name, layer in layers.items():
        layer.weight.data.copy_(before[name])
    masks.set(kept)
    return reached
