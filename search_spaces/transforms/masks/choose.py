"""Choosing what a mask keeps: the lowest scores are removed, and weak units are swapped for others at random."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_spaces.transforms.masks.layers import Layer, Layers, MaskError, is_convolution, magnitudes, mask_shape
from search_spaces.transforms.masks.target import Target

TWO_OF_FOUR = (2, 4)  # N:M sparsity: of every M neighbouring inputs at most N are kept, as GPUs run it natively
SWAP_SHARE = 0.2  # Mocanu et al. 2018; both papers of Douzandeh Zenoozi et al.


def magnitude_scores(layers: Layers) -> dict[str, Tensor]:
    """Return the L1 score of every unit of every layer."""
    return {name: magnitudes(layer) for name, layer in layers.items()}


def random_scores(layers: Layers, generator: torch.Generator) -> dict[str, Tensor]:
    """Return random scores, equal for equal generators on every device: they are drawn on the CPU."""
    drawn = {name: torch.rand(mask_shape(layer), generator=generator) for name, layer in layers.items()}
    return {name: scores.to(layers[name].weight.device) for name, scores in drawn.items()}


def without_weakest(
    layers: Layers, scores: Mapping[str, Tensor], target: Target, *, share: float = 1.0
) -> dict[str, Tensor]:
    """Return the masks of `share` of the target: exactly the counts of the target, the lowest scores removed."""
    counts = target.counts(layers, scores, share=share)
    return {name: drop_lowest(scores[name], count) for name, count in counts.items()}


def drop_lowest(scores: Tensor, count: int) -> Tensor:
    """Return a mask that keeps all but the `count` lowest scores; of equal ones the first go."""
    if count == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    last = scores.flatten().kthvalue(count).values  # a tenth of the time that sorting takes
    kept = ~(scores <= last).flatten()
    equal = (scores == last).flatten().nonzero()[:, 0]
    kept[equal[count - int((scores < last).sum()) :]] = True
    return kept.view(scores.shape)


def n_of_m(layer: nn.Linear, n: int = TWO_OF_FOUR[0], m: int = TWO_OF_FOUR[1]) -> Tensor:
    """Return the mask that keeps the `n` largest of every `m` inputs. Raises `MaskError` where `m` does not divide."""
    if not 0 < n <= m or layer.in_features % m:
        raise MaskError(f"pattern: {n}:{m} needs 0 < n <= m and inputs in multiples of {m}, got {layer.in_features}")
    ranks = magnitudes(layer).view(-1, m).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    return (ranks < n).view(layer.weight.shape)


def swap(
    layer: Layer, kept: Tensor, generator: torch.Generator, *, share: float = SWAP_SHARE, signed: bool
) -> tuple[Tensor, Tensor]:
    """Return the mask after the weakest `share` of the kept units has been replaced, and the units that are new.

    Args:
        layer: with its present weights.
        kept: its mask.
        generator: draws the new units among those that were already removed.
        share: of the kept units; fewer are replaced where fewer are removed.
        signed: take the share of the smallest positive and of the largest negative weights, each sign apart, rather
            than of the smallest magnitudes; filters have no sign.
    """
    strengths = magnitudes(layer).flatten()
    old, free = kept.flatten(), (~kept).flatten().nonzero()[:, 0]
    by_sign = signed and not is_convolution(layer)
    weak = _weakest(strengths, layer.weight.flatten() if by_sign else strengths, old, share)[: len(free)]
    grown = free[torch.randperm(len(free), generator=generator)[: len(weak)]]
    new, fresh = old.clone(), torch.zeros_like(old)
    new[weak] = False
    new[grown] = True
    fresh[grown] = True
    return new.view(kept.shape), fresh.view(kept.shape)


def _weakest(strengths: Tensor, values: Tensor, kept: Tensor, share: float) -> Tensor:
    """Return the indices of the weakest kept units of either sign, weakest first."""
    sides = [(kept & side).nonzero()[:, 0] for side in (values >= 0, values < 0)]
    chosen = torch.cat([side[strengths[side].argsort(stable=True)[: round(share * len(side))]] for side in sides])
    return chosen[strengths[chosen].argsort(stable=True)]
