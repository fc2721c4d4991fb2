"""Iterative magnitude pruning: train, prune the weakest of what is left, rewind the rest to early weights, and again.

Every epoch is a round: the target is approached in equal steps, and the last epoch trains at the whole of it. Rewinding
needs the early weights once more in memory; no other schedule keeps a second copy.

Reference: Frankle et al. 2020, https://arxiv.org/abs/1912.05671 (rewinding to weights after some training).
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class IterativeMagnitude:
    """Prunes after every epoch but the last and rewinds to the weights after `rewind_epoch` (0: the initial ones)."""

    def __init__(self, rewind_epoch: int = 0) -> None:
        self.rewind_epoch = rewind_epoch

    def share_after(self, epoch: int, epochs: int, /) -> float:
        """Return the share of the target in force: equal steps over the epochs between rewinding point and last."""
        rounds = max(1, epochs - 1 - self.rewind_epoch)
        return max(0.0, (min(epoch, epochs - 1) - self.rewind_epoch) / rounds)

    def start(self, sparse: SparseTraining) -> None:
        """Remember the initial weights."""
        sparse.remember()

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Prune what has become weak, then rewind the rest."""
        if epoch == self.rewind_epoch:
            sparse.remember()
        if self.rewind_epoch < epoch < epochs:
            self._prune(sparse, self.share_after(epoch, epochs))
            sparse.rewind()

    def _prune(self, sparse: SparseTraining, share: float) -> None:
        layers = sparse.masks.layers
        scores = {name: score + sparse.masks.kept(name) for name, score in magnitude_scores(layers).items()}
        sparse.set_masks(without_weakest(layers, scores, sparse.target, share=share))
