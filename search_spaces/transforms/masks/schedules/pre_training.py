"""Pre-training pruning: the smallest initial weights (L1) go before the first step and never come back.

Reference: Douzandeh Zenoozi et al. 2026, section 3.1.1, https://doi.org/10.1371/journal.pcsy.0000095
"""

from __future__ import annotations

from search_spaces.transforms.masks.choose import magnitude_scores, without_weakest
from search_spaces.transforms.masks.schedules.schedule import SparseTraining


class PreTraining:
    """Masks the weakest units at initialisation; the masks stay as they are."""

    def share_after(self, _epoch: int, _epochs: int, /) -> float:
        """Return 1: the whole target, from the start."""
        return 1.0

    def start(self, sparse: SparseTraining) -> None:
        """Remove the units of the smallest L1 norm."""
        layers = sparse.masks.layers
        sparse.set_masks(without_weakest(layers, magnitude_scores(layers), sparse.target))

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Leave the masks as they are."""
