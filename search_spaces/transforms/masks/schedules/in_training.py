"""In-training pruning: a random mask whose weakest fifth is replaced at random after each epoch.

Reference: Douzandeh Zenoozi et al. 2025, section 3.1.2, https://doi.org/10.3389/fcomp.2025.1563942
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import SWAP_SHARE, random_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class InTraining:
    """Starts at random, then replaces the `swap_share` of the smallest magnitudes after each epoch but the last."""

    def __init__(self, swap_share: float = SWAP_SHARE) -> None:
        self.swap_share = swap_share

    def share_after(self, _epoch: int, _epochs: int, /) -> float:
        """Return 1: the whole target, from the start."""
        return 1.0

    def start(self, sparse: SparseTraining) -> None:
        """Remove units at random."""
        layers = sparse.masks.layers
        sparse.set_masks(without_weakest(layers, random_scores(layers, sparse.generator), sparse.target))

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Swap, unless no epoch follows in which the new weights could learn."""
        if epoch < epochs:
            sparse.swap_weakest(signed=False, share=self.swap_share)
