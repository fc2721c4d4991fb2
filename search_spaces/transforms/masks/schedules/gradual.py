"""Gradual pruning: sparsity rises by a cubic law while the model is trained, fast at first and slowly at the end.

Reference: Zhu & Gupta 2017, https://arxiv.org/abs/1710.01878, with t counted in epochs and the start at 0.
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class Gradual:
    """Prunes by magnitude up to `1 − (1 − t)³` of the target; t is 1 after the share `until` of all epochs."""

    def __init__(self, until: float = 0.75) -> None:
        self.until = until

    def share_after(self, epoch: int, epochs: int, /) -> float:
        """Return the cubic law."""
        passed = min(1.0, epoch / max(1.0, self.until * epochs))
        return float(1 - (1 - passed) ** 3)

    def start(self, sparse: SparseTraining) -> None:
        """Leave the masks open."""

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Remove more of the weakest; what is removed has no magnitude left, and stays removed."""
        layers, share = sparse.masks.layers, self.share_after(epoch, epochs)
        scores = {name: score + sparse.masks.kept(name) for name, score in magnitude_scores(layers).items()}
        sparse.set_masks(without_weakest(layers, scores, sparse.target, share=share))
