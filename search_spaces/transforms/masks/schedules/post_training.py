"""Post-training pruning: the trained model loses its smallest weights (L1), at once.

Reference: Douzandeh Zenoozi et al. 2025, section 3.1.3.
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


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
