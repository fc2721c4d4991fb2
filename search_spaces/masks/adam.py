"""Adam under masks: what is masked is back at zero when a step ends."""

from __future__ import annotations

from collections.abc import Callable

import torch

from search_spaces.masks.masks import Masks


class MaskedAdam(torch.optim.Adam):
    """Torch's fused Adam whose every step ends with the masks applied."""

    def __init__(self, masks: Masks, *, lr: float) -> None:
        self.masks = masks
        super().__init__(masks.model.parameters(), lr=lr, fused=True)

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step. Closures are not evaluated again and refused with a `ValueError`."""
        if closure is not None:
            raise ValueError("a step under masks takes no closure")
        super().step()
        self.masks.apply()
