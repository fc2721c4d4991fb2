"""A target: how much is pruned and where, turned into a number of units per layer.

`uniform` prunes every layer at the ratio, `one-ranking` the weakest units of all layers together, `hidden-only` all but
the first and the last layer, `classifier-only` the linear layers behind the last convolution, `classifier-hidden` these
without their first and last, `erdos-renyi` every layer at the density of an Erdős–Rényi graph, and `per-layer` each at
a ratio of its own. In a model without convolutions every layer belongs to the classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from search_spaces.transforms.masks.erdos_renyi import densities
from search_spaces.transforms.masks.layers import Layers, MaskError, is_convolution, unit_count, weights_per_unit

ScopeName = Literal[
    "uniform", "one-ranking", "hidden-only", "classifier-only", "classifier-hidden", "erdos-renyi", "per-layer"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How much to prune. `convolution_ratio`, where given, replaces `ratio` for convolutions; `ratios` name layers."""

    scope: ScopeName = "uniform"
    ratio: float = 0.0
    convolution_ratio: float | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = {"ratio": self.ratio, "convolution_ratio": self.convolution_ratio, **self.ratios}
        for name, value in given.items():
            if value is not None and not 0 <= value <= 1:
                raise MaskError(f"{name}: a ratio must be between 0 and 1, got {value}")

    def counts(self, layers: Layers, scores: Mapping[str, Tensor], *, share: float = 1.0) -> dict[str, int]:
        """Return how many units of every layer go when `share` of the target is in force.

        Args:
            layers: of one model.
            scores: per layer in the shape of its mask, lower is weaker; read by `one-ranking` alone.
            share: of the ratio, in [0, 1].

        Raises:
            MaskError: `ratios` names a layer that is not there, or the scope leaves no layer to prune.
        """
        if self.scope == "one-ranking":
            return _ranked(layers, scores, self.ratio * share)
        return {
            name: min(round(ratio * share * unit_count(layers[name])), unit_count(layers[name]))
            for name, ratio in self._layer_ratios(layers).items()
        }

    def _layer_ratios(self, layers: Layers) -> dict[str, float]:
        if self.scope == "per-layer":
            return _named(layers, self.ratios)
        if self.scope == "erdos-renyi":
            return {name: 1 - density for name, density in densities(layers, 1 - self.ratio).items()}
        pruned = pruned_names(layers, self.scope)
        return {name: self._ratio_of(layers, name) if name in pruned else 0.0 for name in layers}

    def _ratio_of(self, layers: Layers, name: str) -> float:
        if self.convolution_ratio is not None and is_convolution(layers[name]):
            return self.convolution_ratio
        return self.ratio


def pruned_names(layers: Layers, scope: ScopeName) -> list[str]:
    """Return the layers that a scope of one ratio prunes. Raises `MaskError` where it leaves none."""
    names = list(layers)
    if scope == "hidden-only":
        names = names[1:-1]
    elif scope == "classifier-only":
        names = _behind_convolutions(layers)
    elif scope == "classifier-hidden":
        names = _behind_convolutions(layers)[1:-1]
    if not names:
        raise MaskError(f"scope: {scope} leaves nothing to prune in a model of the layers {', '.join(layers)}")
    return names


def _behind_convolutions(layers: Layers) -> list[str]:
    names = list(layers)
    last = max((index for index, name in enumerate(names) if is_convolution(layers[name])), default=-1)
    return names[last + 1 :]


def _named(layers: Layers, ratios: Mapping[str, float]) -> dict[str, float]:
    unknown = [name for name in ratios if name not in layers]
    if unknown:
        raise MaskError(f"ratios: no layer {unknown[0]!r} that can be pruned; there are {', '.join(layers)}")
    return {name: ratios.get(name, 0.0) for name in layers}


def _ranked(layers: Layers, scores: Mapping[str, Tensor], ratio: float) -> dict[str, int]:
    """Return how many units of each layer are among the weakest of all, by weights; each layer keeps one unit."""
    order = torch.cat([scores[name].flatten() for name in layers]).argsort(stable=True).cpu()
    of_layer = torch.cat([torch.full((unit_count(layer),), index) for index, layer in enumerate(layers.values())])
    sizes = torch.tensor([weights_per_unit(layer) for layer in layers.values()])
    removed = sizes[of_layer[order]].cumsum(0)
    budget = ratio * sum(layer.weight.numel() for layer in layers.values())
    fallen = of_layer[order][removed <= budget + 0.5].bincount(minlength=len(layers))
    return {
        name: min(int(count), unit_count(layer) - 1)
        for (name, layer), count in zip(layers.items(), fallen, strict=True)
    }
