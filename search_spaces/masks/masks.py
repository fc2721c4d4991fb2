"""Masks of one model: which units are kept, held beside the one copy of the weights, at most one byte per weight.

Masked weights are kept at exactly zero, so the model runs as it is, in training and in inference alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from search_spaces.masks.layers import Layers, mask_shape, maskable_layers, weights_per_unit

PIECE = 2**18  # weights: a piece of mask as floats still fits into a processor's cache


class Masks:
    """The masks of `model`, everything kept at first; layers whose every unit is kept cost nothing.

    The model's weights may change in place, but must stay the same tensors on the same device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers: Layers = maskable_layers(model)
        self._kept: dict[str, Tensor] = {}
        self._masked: list[tuple[Tensor, Tensor]] = []  # weights with their masks, ready to multiply

    def kept(self, name: str) -> Tensor:
        """Return which units of a layer are kept, in the shape of its mask."""
        layer = self.layers[name]
        return self._kept[name] if name in self._kept else torch.ones(mask_shape(layer), dtype=torch.bool)

    def set(self, kept: Mapping[str, Tensor]) -> None:
        """Take new masks for the layers named, and zero what they remove."""
        merged = {**self._kept, **kept}
        self._kept = {name: mask for name, mask in merged.items() if not bool(mask.all())}
        self._masked = [piece for name, mask in self._kept.items() for piece in _pieces(self.layers[name].weight, mask)]
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Put every masked weight back to zero: call it after each step of an optimizer."""
        for weight, mask in self._masked:
            weight.mul_(mask.to(weight.dtype))

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
        """The share of all weights of all maskable layers that is removed, whatever a scope calls its ratio."""
        return self.pruned_weights / sum(layer.weight.numel() for layer in self.layers.values())

    @property
    def mask_bytes(self) -> int:
        """What the masks take beside the weights."""
        return sum(mask.numel() * mask.element_size() for mask in self._kept.values())


def _pieces(weight: Tensor, kept: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield weights with their masks as bytes: converted piece by piece they cost a quarter of whole booleans."""
    weight, mask = weight.detach(), kept.view(torch.uint8)
    if mask.numel() < weight.numel():  # one entry per filter
        yield weight, mask
        return
    yield from zip(torch.split(weight.view(-1), PIECE), torch.split(mask.view(-1), PIECE), strict=True)
