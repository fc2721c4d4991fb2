"""Swapping: a random mask whose weakest kept units are replaced at random after each epoch but the last.

In-training pruning takes the smallest magnitudes (Douzandeh Zenoozi et al. 2025, section 3.1.2,
https://doi.org/10.3389/fcomp.2025.1563942). SET, sparse evolutionary training, takes the smallest positive and the
largest negative weights of an Erdős–Rényi graph (Mocanu et al. 2018, https://doi.org/10.1038/s41467-018-04316-3): each
layer's connections are drawn at the density of the target's scope, under the scope `erdos-renyi` by the published
formula. Our graph has exactly the expected number of connections, so that sparsity is constant to the weight.
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import SWAP_SHARE, random_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class Swapping:
    """Starts at random, then replaces the weakest `swap_share`; `signed`: of either sign apart."""

    def __init__(self, swap_share: float = SWAP_SHARE, *, signed: bool) -> None:
        self.swap_share, self.signed = swap_share, signed

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
            sparse.swap_weakest(signed=self.signed, share=self.swap_share)
