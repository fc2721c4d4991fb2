"""Packed tensors: a sparse weight as its kept values and a bitmask, so that a masked network takes little space."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

VALUES, KEPT, SHAPE = "::values", "::kept", "::shape"
WORTH_PACKING = 0.9  # of the weights kept: above it the bitmask takes about what the zeros do


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with every sparse one replaced by its values, the bits of its mask and its shape."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kept = tensor.cpu() != 0
        if tensor.dim() < 2 or float(kept.float().mean()) > WORTH_PACKING:
            packed[name] = tensor
            continue
        packed[name + VALUES] = tensor.cpu()[kept]
        packed[name + KEPT] = torch.from_numpy(np.packbits(kept.numpy()))
        packed[name + SHAPE] = torch.tensor(tensor.shape)
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors that `pack` was given, on the CPU; a masked weight is +0."""
    tensors = {name: tensor for name, tensor in packed.items() if "::" not in name}
    for name in [name.removesuffix(VALUES) for name in packed if name.endswith(VALUES)]:
        shape = packed[name + SHAPE].tolist()
        bits = np.unpackbits(packed[name + KEPT].numpy(), count=int(np.prod(shape)))
        whole = packed[name + VALUES].new_zeros(shape)
        whole[torch.from_numpy(bits.astype(bool)).view(shape)] = packed[name + VALUES]
        tensors[name] = whole
    return tensors
