"""What masks cover: the linear and convolutional layers of a model, and the units of each that can be removed.

A linear layer loses single connections, a convolution whole filters (Douzandeh Zenoozi et al. 2025).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_spaces.groups import Group, GroupKind, mask_levels

Layer = nn.Linear | nn.Conv2d
Layers = Mapping[str, Layer]


class MaskError(ValueError):
    """Masks cannot be made; the text names the field or the layer, and what to do."""


def maskable_layers(model: nn.Module) -> dict[str, Layer]:
    """Return the layers of `model` that can carry a mask, by name, in the order in which they are defined."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Layer)}
    if not layers:
        raise MaskError(f"model: {type(model).__name__} has no linear or convolutional layer to prune")
    return layers


def mask_groups(model: nn.Module) -> tuple[Group, ...]:
    """Return a group for every layer that can be masked, first layer first. Raises `MaskError` where there is none."""
    return tuple(
        Group(
            name=name,
            kind=GroupKind.FILTERS if is_convolution(layer) else GroupKind.WEIGHTS,
            layer=index,
            units=unit_count(layer),
            unit_size=1,
            levels=mask_levels(unit_count(layer)),
            producers=(name,),
            consumers=(),
        )
        for index, (name, layer) in enumerate(maskable_layers(model).items())
    )


def is_convolution(layer: Layer) -> bool:
    """Return whether the layer loses filters rather than connections."""
    return isinstance(layer, nn.Conv2d)


def mask_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of the layer's mask: one entry per unit, broadcasting over its weights."""
    return (layer.out_channels, 1, 1, 1) if isinstance(layer, nn.Conv2d) else tuple(layer.weight.shape)


def unit_count(layer: Layer) -> int:
    """Return how many units the layer has."""
    return layer.out_channels if isinstance(layer, nn.Conv2d) else layer.weight.numel()


def weights_per_unit(layer: Layer) -> int:
    """Return how many weights go with one unit."""
    return layer.weight.numel() // unit_count(layer)


@torch.no_grad()
def magnitudes(layer: Layer) -> Tensor:
    """Return the L1 norm per weight of every unit, in the shape of the mask.

    A filter's norm is divided by its number of weights, so that one ranking can hold filters of every size.
    """
    weight = layer.weight.abs()
    return weight.mean(dim=(1, 2, 3), keepdim=True) if is_convolution(layer) else weight


@torch.no_grad()
def zeros_by_layer(model: nn.Module) -> dict[str, float]:
    """Return the share of every maskable layer's weights that is zero, by its name."""
    return {name: float((layer.weight == 0).float().mean()) for name, layer in maskable_layers(model).items()}
