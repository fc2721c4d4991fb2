"""What a schedule is: it sets the masks before the first step and may change them at the end of every epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from search_spaces.transforms.masks.adam import hold
from search_spaces.transforms.masks.choose import SWAP_SHARE, swap
from search_spaces.transforms.masks.masks import Masks
from search_spaces.transforms.masks.target import Target


class Schedule(Protocol):
    """Decides the masks of one training.

    Call order: `start` once, then `end_epoch` after every epoch, numbered from 1. In between the trainer calls
    `sparse.keep_masks` after each step, so that what is removed stays exactly zero. Laws: after epoch e of n every
    layer has lost as many units as the target asks for at `share_after(e, n)`; equal generators give equal masks.
    """

    def share_after(self, epoch: int, epochs: int, /) -> float:
        """Return the share of the target in force after an epoch; epoch 0 is after `start`."""

    def start(self, sparse: SparseTraining) -> None:
        """Set the masks on the initial weights."""

    def end_epoch(self, sparse: SparseTraining, epoch: int, epochs: int) -> None:
        """Change the masks, if this schedule does."""


class SparseTraining:
    """What a schedule works on: the masks of the model, its target, its randomness, the optimizer's memory.

    All that a schedule remembers of a training is here, so that a training continues from `state_dict`.
    """

    def __init__(
        self, model: nn.Module, target: Target, *, generator: torch.Generator, optimizer: torch.optim.Adam
    ) -> None:
        self.model, self.target, self.generator = model, target, generator
        self.masks = Masks(model)
        self._optimizer = optimizer
        self._is_held = True  # whether the optimizer itself leaves what is removed at zero
        self._early: dict[str, Tensor] = {}

    def set_masks(self, kept: Mapping[str, Tensor]) -> None:
        """Take new masks for the layers named; what is kept again has no momentum."""
        self.masks.set(kept)
        self._hold()

    def keep_masks(self) -> None:
        """Keep what is removed at exactly zero: call it after each step, most of which cost nothing then."""
        if not self._is_held:
            self.masks.apply()
            self._hold()

    def swap_weakest(self, *, signed: bool, share: float = SWAP_SHARE) -> None:
        """Replace the weakest share of every pruned layer's kept units by others, drawn and initialised at random."""
        changed, grown = {}, {}
        for name, layer in self.masks.layers.items():
            kept = self.masks.kept(name)
            changed[name], grown[name] = swap(layer, kept, self.generator, share=share, signed=signed)
        self.set_masks(changed)
        for name, fresh in grown.items():
            self._draw(self.masks.layers[name].weight, fresh)

    def remember(self) -> None:
        """Remember the weights as they are now."""
        self._early = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    @torch.no_grad()
    def rewind(self) -> None:
        """Take what is kept back to the weights remembered, and drop all that the optimizer remembers."""
        self.model.load_state_dict(self._early)
        self.masks.apply()
        self._optimizer.state.clear()
        self._is_held = False

    def state_dict(self) -> dict[str, Any]:
        """Return the masks, what is remembered and the randomness; model and optimizer have states of their own."""
        kept = {name: self.masks.kept(name) for name in self.masks.layers}
        return {
            "kept": kept,
            "early": self._early,
            "is_held": self._is_held,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state_dict` of a training of the same model, whose weights are those of that time."""
        device = next(self.model.parameters()).device
        self.masks.set({name: mask.to(device) for name, mask in state["kept"].items()})
        self._early = {name: tensor.to(device) for name, tensor in state["early"].items()}
        self._is_held = state["is_held"]
        self.generator.set_state(state["generator"])

    def _hold(self) -> None:
        held = [hold(self._optimizer, layer.weight, self.masks.kept(name)) for name, layer in self.masks.layers.items()]
        self._is_held = all(held)

    @torch.no_grad()
    def _draw(self, weight: Tensor, fresh: Tensor) -> None:
        """Draw regrown weights as torch draws a layer's first ones."""
        if not fresh.any():
            return
        where = fresh.expand_as(weight)
        bound = float(weight[0].numel()) ** -0.5
        drawn = torch.rand(weight.shape, generator=self.generator) * 2 * bound - bound
        weight[where] = drawn.to(weight)[where]
