"""What a schedule is: it sets the masks before the first step and may change them at the end of every epoch."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from search_spaces.masks.choose import SWAP_SHARE, swap
from search_spaces.masks.masks import Masks
from search_spaces.masks.target import Target


class Schedule(Protocol):
    """Decides the masks of one training.

    Call order: `start` once, then `end_epoch` after every epoch, numbered from 1. In between the trainer applies the
    masks after each step, so that what is removed stays exactly zero. Laws: after epoch e of n every layer has lost
    as many units as the target asks for at `share_after(e, n)`; equal generators give equal masks.
    """

    def share_after(self, epoch: int, epochs: int, /) -> float:
        """Return the share of the target in force after an epoch; epoch 0 is after `start`."""

    def start(self, sparse: SparseTraining) -> None:
        """Set the masks on the initial weights."""

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Change the masks, if this schedule does."""


class SparseTraining:
    """What a schedule works on: the masks of the model, its target, its randomness, the optimizer's memory."""

    def __init__(
        self, model: nn.Module, target: Target, *, generator: torch.Generator, optimizer: torch.optim.Optimizer
    ) -> None:
        self.model, self.target, self.generator = model, target, generator
        self.masks = Masks(model)
        self._optimizer = optimizer

    @torch.no_grad()
    def swap_weakest(self, *, signed: bool, share: float = SWAP_SHARE) -> None:
        """Replace the weakest share of every pruned layer's kept units by others, drawn and initialised anew."""
        changed, grown = {}, {}
        for name, layer in self.masks.layers.items():
            kept = self.masks.kept(name)
            changed[name], grown[name] = swap(layer, kept, self.generator, share=share, signed=signed)
        self.masks.set(changed)
        for name, fresh in grown.items():
            self._begin_anew(self.masks.layers[name].weight, fresh)

    @torch.no_grad()
    def forget_momentum(self) -> None:
        """Drop all that the optimizer remembers, as for a training that begins anew."""
        self._optimizer.state.clear()

    def _begin_anew(self, weight: Tensor, fresh: Tensor) -> None:
        """Draw regrown weights as torch draws a layer's first ones, and reset their momentum."""
        if not fresh.any():
            return
        where = fresh.expand_as(weight)
        bound = float(weight[0].numel()) ** -0.5
        drawn = torch.rand(weight.shape, generator=self.generator) * 2 * bound - bound
        weight[where] = drawn[where].to(weight.dtype)
        for state in self._optimizer.state.get(weight, {}).values():
            if isinstance(state, Tensor) and state.shape == weight.shape:
                state[where] = 0
