"""Stored: how a file holds a layer's weight where that is not as the dense model's file does.

A layer computes with the values that its stored weight stands for, so every runtime sees the same weight. What a
runtime does with the activations is its own: torch keeps them as they are, ONNX Runtime makes integers of them where
the weight is one of 8 bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

STORED = "stored"  # the attribute of a layer that holds it


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A weight of shape `(rows, …)`, its columns all that follows the rows.

    With 16 `bits` the `codes` are its values as float16 and there are no `scales`. With 8 or 4 they are int8 in the
    weight's shape, symmetric about zero and within ±127 or ±7, and `scales`, float32 `(rows, blocks)`, multiply
    `block` consecutive columns each: the whole row, or the last one fewer.
    """

    bits: int
    codes: Tensor
    scales: Tensor | None = None
    block: int = 0

    @property
    def weight(self) -> Tensor:
        """The float32 values that it stands for, in the weight's shape."""
        if self.scales is None:
            return self.codes.float()
        columns = self.codes.flatten(1)
        spread = self.scales.repeat_interleave(self.block, dim=1)[:, : columns.shape[1]]
        return (columns.to(torch.float32) * spread).reshape(self.codes.shape)


def stored_of(layer: nn.Module) -> Stored | None:
    """Return how a layer's weight is stored, None as the dense model's."""
    return getattr(layer, STORED, None)
