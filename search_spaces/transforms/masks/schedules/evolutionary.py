"""SET, sparse evolutionary training: a random graph that sheds its weakest connections of either sign and grows others.

The start is an Erdős–Rényi graph: each layer's connections are drawn at random, at the density of the target's scope;
under the scope `erdos-renyi` by the published formula. Our graph has exactly the expected number of connections, so
that sparsity is constant to the weight.

Reference: Mocanu et al. 2018, https://doi.org/10.1038/s41467-018-04316-3
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import SWAP_SHARE, random_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class SparseEvolutionary:
    """Replaces the smallest positive and the largest negative `swap_share` after each epoch but the last."""

    def __init__(self, swap_share: float = SWAP_SHARE) -> None:
        self.swap_share = swap_share

    def share_after(self, _epoch: int, _epochs: int, /) -> float:
        """Return 1: the whole target, from the start."""
        return 1.0

    def start(self, sparse: SparseTraining) -> None:
        """Draw the graph."""
        layers = sparse.masks.layers
        sparse.set_masks(without_weakest(layers, random_scores(layers, sparse.generator), sparse.target))

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Swap; after the last epoch weights are only removed in the original, here nothing changes any more."""
        if epoch < epochs:
            sparse.swap_weakest(signed=True, share=self.swap_share)
