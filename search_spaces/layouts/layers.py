"""Layers: how each kind of layer loses entries of its sides, weights, buffers and stated shape alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from search_spaces.layouts.layout import Axis

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def side_sizes(layer: nn.Module) -> dict[Axis, int]:
    """Return the number of entries of every side of a layer. Raises `TypeError` for a layer without channels."""
    if isinstance(layer, nn.Linear):
        return {Axis.ROWS: layer.out_features, Axis.COLUMNS: layer.in_features}
    if isinstance(layer, CONVOLUTIONS):
        return {Axis.ROWS: layer.out_channels, Axis.COLUMNS: layer.in_channels, Axis.CHANNELS: layer.out_channels}
    for count in ("num_features", "num_channels", "num_parameters"):
        if hasattr(layer, count):
            return {Axis.CHANNELS: getattr(layer, count)}
    if isinstance(layer, nn.LayerNorm):
        return {Axis.CHANNELS: layer.normalized_shape[-1]}
    raise TypeError(f"a {type(layer).__name__} has no channels")


def weight_of(layer: nn.Module) -> Tensor:
    """Return the weight of a convolution or linear layer, without its gradient."""
    return cast("Tensor", layer.weight).detach()


def row_dim(layer: nn.Module) -> int:
    """Return the dimension of the weight that holds the outputs: transposed convolutions keep it second."""
    return 1 if getattr(layer, "transposed", False) else 0


def shrink_layer(layer: nn.Module, stays: Mapping[Axis, Tensor]) -> None:
    """Keep, in place, the entries `stays` of each side of `layer`; its tensors are replaced, never written to."""
    if Axis.CHANNELS in stays:
        _shrink_channels(layer, stays[Axis.CHANNELS])
    if Axis.ROWS in stays:
        take(layer, "weight", row_dim(layer), stays[Axis.ROWS])
        take(layer, "bias", 0, stays[Axis.ROWS])
        setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", len(stays[Axis.ROWS]))
    if Axis.COLUMNS in stays:
        take(layer, "weight", 1 - row_dim(layer), stays[Axis.COLUMNS])
        setattr(layer, "in_features" if isinstance(layer, nn.Linear) else "in_channels", len(stays[Axis.COLUMNS]))


def take(owner: nn.Module, name: str, dim: int, entries: Tensor) -> None:
    """Replace a parameter or buffer of `owner`, where it has one, by its `entries` along `dim`."""
    tensor = getattr(owner, name, None)
    if tensor is None:
        return
    taken = tensor.detach().index_select(dim, entries.to(tensor.device))
    setattr(owner, name, nn.Parameter(taken, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else taken)


def _shrink_channels(layer: nn.Module, stays: Tensor) -> None:
    last = -1 if isinstance(layer, nn.LayerNorm) else 0
    for name in ("weight", "bias"):
        take(layer, name, last, stays)
    if isinstance(layer, CONVOLUTIONS):
        layer.groups = layer.groups * len(stays) // layer.out_channels
        layer.in_channels = layer.out_channels = len(stays)
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = (*layer.normalized_shape[:-1], len(stays))
    elif isinstance(layer, nn.GroupNorm):
        layer.num_groups = max(1, layer.num_groups * len(stays) // layer.num_channels)  # one of all stays one
        layer.num_channels = len(stays)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(stays)
    elif isinstance(layer, _NormBase):
        take(layer, "running_mean", 0, stays)
        take(layer, "running_var", 0, stays)
        layer.num_features = len(stays)
