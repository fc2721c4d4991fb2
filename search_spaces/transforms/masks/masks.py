"""Masks of one model: which units are kept, one mask beside the one copy of the weights, at most one byte per weight.

Masked weights are kept at exactly zero, so the model runs as it is, in training and in inference alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_spaces.transforms.masks.layers import Layers, mask_shape, maskable_layers, weights_per_unit


class Masks:
    """The masks of `model`, everything kept at first; unpruned layers cost nothing.

    The model's weights may change in place, but must stay the same tensors on the same device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers: Layers = maskable_layers(model)
        self._kept: dict[str, Tensor] = {}

    def kept(self, name: str) -> Tensor:
        """Return which units of a layer are kept, in the shape of its mask."""
        layer = self.layers[name]
        if name in self._kept:
            return self._kept[name]
        return layer.weight.new_ones(mask_shape(layer), dtype=torch.bool)

    def set(self, kept: Mapping[str, Tensor]) -> None:
        """Take new masks for the layers named, and zero what they remove."""
        merged = {**self._kept, **kept}
        self._kept = {name: mask for name, mask in merged.items() if not bool(mask.all())}
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Set every masked weight to zero again."""
        for name, mask in self._kept.items():
            self.layers[name].weight.mul_(mask)

    @property
    def pruned_units(self) -> dict[str, int]:
        """How many units of every layer are removed."""
        return {name: int((~self.kept(name)).sum()) for name in self.layers}

    @property
    def pruned_weights(self) -> int:
        """How many weights are removed."""
        return sum(count * weights_per_unit(self.layers[name]) for name, count in self.pruned_units.items())

    @property
    def overall_sparsity(self) -> float:
        """The share of all weights of all maskable layers that is removed, whichever ratio a scope defines."""
        return self.pruned_weights / sum(layer.weight.numel() for layer in self.layers.values())

    @property
    def mask_bytes(self) -> int:
        """The memory of the masks, in addition to the weights."""
        return sum(mask.numel() * mask.element_size() for mask in self._kept.values())
