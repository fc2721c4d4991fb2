"""Stored: how a file holds a layer's weight where that is not as the dense model's file does.

A layer computes with the values that its stored weight stands for, so every runtime sees the same weight. What a
runtime does with the activations is its own: torch keeps them as they are, ONNX Runtime makes integers of them where
the weight is one of 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from search_spaces.layouts.modeling_pruned import CODES, SCALES, block_of, unpacked, values_of

STORED = "stored"  # the attribute of a layer that holds it
SCALE_BYTES = {8: 4, 4: 2}  # of one scale in a file, by bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A weight of shape `(rows, …)`, its columns all that follows the rows.

    With 16 `bits` the `codes` are its values as float16 and there are no `scales`. With 8 or 4 they are int8 in the
    weight's shape, symmetric about zero and within ±127 or ±7, and `scales`, float32 `(rows, blocks)`, multiply
    `block` consecutive columns each: the whole row, or the last one fewer. Scales of 4 bits are exact in bfloat16.
    """

    bits: int
    codes: Tensor
    scales: Tensor | None = None
    block: int = 0

    @property
    def weight(self) -> Tensor:
        """The float32 values that it stands for, in the weight's shape."""
        return values_of(self.codes, self.scales, self.block)

    def rows(self, rows: Tensor) -> Stored:
        """Return the part of it that is these rows, int64 `(rows,)`."""
        return replace(self, codes=self.codes[rows], scales=None if self.scales is None else self.scales[rows])

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.codes.nbytes + (0 if self.scales is None else self.scales.nbytes)


def stored_of(layer: nn.Module) -> Stored | None:
    """Return how a layer's weight is stored, None as the dense model's."""
    return getattr(layer, STORED, None)


def store(layer: nn.Module, stored: Stored) -> None:
    """Give a layer, in place, the values of a stored weight, and say how it is stored."""
    old = layer.get_parameter("weight")
    layer.weight = nn.Parameter(stored.weight.to(old), old.requires_grad)
    setattr(layer, STORED, stored)


def bits_by_layer(model: nn.Module) -> dict[str, int]:
    """Return the bits of the weights that are stored, by the paths of their layers."""
    found = ((path, stored_of(layer)) for path, layer in model.named_modules())
    return {path: stored.bits for path, stored in found if stored}


def written_instead(model: nn.Module) -> dict[str, dict[str, Tensor]]:
    """Return what a file holds in the place of stored weights: by the name of a weight, tensors by their names."""
    found = {id(layer.weight): stored for layer in model.modules() if (stored := stored_of(layer))}
    return {
        name: {f"{name.removesuffix('weight')}{part}": codes for part, codes in packed(found[id(tensor)]).items()}
        for name, tensor in model.state_dict(keep_vars=True).items()
        if id(tensor) in found
    }


def packed(stored: Stored) -> dict[str, Tensor]:
    """Return the tensors of a file that hold a weight: two codes of 4 bits in each byte, their scales as bfloat16."""
    if stored.scales is None:
        return {CODES: stored.codes}
    if stored.bits == 8:
        return {CODES: stored.codes, SCALES: stored.scales}
    codes = (stored.codes.flatten(1) + 8).to(torch.uint8)
    codes = nn.functional.pad(codes, (0, codes.shape[1] % 2))
    return {CODES: codes[:, ::2] | codes[:, 1::2] << 4, SCALES: stored.scales.bfloat16()}


def is_code(name: str) -> bool:
    """Whether a tensor of a file holds codes of a weight, or their scales."""
    return name.endswith((f".{CODES}", f".{SCALES}"))


def weights_of(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Stored]]:
    """Return the tensors of a file with weights in the place of codes, and how those are stored, by their names."""
    paths = [name.removesuffix(CODES) for name in tensors if name.endswith(f".{CODES}")]
    stored = {f"{path}weight": read_stored(tensors[path + CODES], tensors.get(path + SCALES)) for path in paths}
    codes = {path + part for path in paths for part in (CODES, SCALES)}
    rest = {name: tensor for name, tensor in tensors.items() if name not in codes}
    return rest | {name: each.weight for name, each in stored.items()}, stored


def say_stored(model: nn.Module, stored: Mapping[str, Stored]) -> None:
    """Say, in place, how weights are stored, by their names; they have the values already."""
    names = {id(tensor): name for name, tensor in model.state_dict(keep_vars=True).items() if name in stored}
    for layer in model.modules():
        name = names.get(id(getattr(layer, "weight", None)))
        if name:
            setattr(layer, STORED, stored[name])


def bytes_in(shape: tuple[int, ...], bits: int) -> int:
    """Return the bytes of a file that a weight of a shape takes with so many bits, its scales among them."""
    rows, columns = shape[0], math.prod(shape[1:])
    if bits == 16:
        return 2 * rows * columns
    codes = rows * (columns if bits == 8 else -(-columns // 2))
    return codes + SCALE_BYTES[bits] * rows * -(-columns // block_of(bits, columns))


def read_stored(codes: Tensor, scales: Tensor | None) -> Stored:
    """Return the weight that tensors of a file hold."""
    if scales is None:
        return Stored(bits=16, codes=codes)
    bits, whole = 4 if codes.dtype is torch.uint8 else 8, unpacked(codes)
    block = block_of(bits, math.prod(whole.shape[1:]))
    return Stored(bits=bits, codes=whole.contiguous(), scales=scales.float(), block=block)
