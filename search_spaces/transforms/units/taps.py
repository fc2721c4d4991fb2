"""Taps: the inputs of a reader channel by channel, and its weights in the one shape that solving needs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.layouts.layers import row_dim, weight_of
from search_spaces.layouts.layout import Link


def taps_of(layer: nn.Module, links: Sequence[Link]) -> int:
    """Return how many consecutive inputs of a linear layer are positions of one channel: more than 1 after a flatten.

    A convolution's inputs are its channels: 1.
    """
    if not isinstance(layer, nn.Linear):
        return 1
    widths = {len(link.entries) // int(link.units.max() + 1) for link in links}
    taps = widths.pop() if len(widths) == 1 else 1
    whole = all(_in_blocks(link, taps) for link in links) and layer.in_features % taps == 0
    return taps if whole else 1


def _in_blocks(link: Link, taps: int) -> bool:
    owner = torch.full((int(link.entries.max()) // taps * taps + taps,), -1)
    owner[link.entries] = link.units
    blocks = owner.reshape(-1, taps)
    return bool((blocks == blocks[:, :1]).all())


def by_channel(inputs: Tensor, layer: nn.Module, taps: int) -> Tensor:
    """Return a reader's inputs with one row per position: `(positions, channels)`."""
    if not isinstance(layer, nn.Linear):
        return inputs.movedim(1, -1).flatten(0, -2)
    return inputs.reshape(*inputs.shape[:-1], -1, taps).transpose(-1, -2).flatten(0, -2)


def read_weight(layer: nn.Module, taps: int) -> Tensor:
    """Return a reader's weight as `(out, channels, taps)`; a convolution's taps are the places of its kernel."""
    weight = weight_of(layer)
    if isinstance(layer, nn.Linear):
        return weight.reshape(len(weight), -1, taps)
    return weight.transpose(0, row_dim(layer)).flatten(2)


def as_weight(read: Tensor, layer: nn.Module) -> Tensor:
    """Return `(out, channels, taps)` in the layout of the reader's own weight."""
    if isinstance(layer, nn.Linear):
        return read.flatten(1)
    return read.reshape(*read.shape[:2], *weight_of(layer).shape[2:]).transpose(0, row_dim(layer))
