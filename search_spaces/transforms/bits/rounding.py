"""Rounding: a weight becomes codes of few bits and the scales that multiply them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.layouts.modeling_pruned import block_of
from search_spaces.layouts.stored import Stored

MOST = {8: 127, 4: 7}  # the largest code: symmetric about zero
LARGEST = float(torch.finfo(torch.float16).max)


def rounded(weight: Tensor, bits: int) -> Stored:
    """Return a weight `(rows, …)` with every entry rounded to its nearest code."""
    if bits == 16:
        return Stored(bits=16, codes=weight.clamp(-LARGEST, LARGEST).half())
    columns = weight.flatten(1)
    block = block_of(bits, columns.shape[1])
    scales = scales_of(columns, bits)
    spread = scales.repeat_interleave(block, dim=1)[:, : columns.shape[1]]
    codes = coded(columns, spread, bits).to(torch.int8)
    return Stored(bits=bits, codes=codes.reshape(weight.shape), scales=scales, block=block)


def scales_of(columns: Tensor, bits: int) -> Tensor:
    """Return the scales of blocks of `(rows, columns)`, float32 `(rows, blocks)`: their largest entry is the last code.

    Those of 4 bits are exact in bfloat16, in which a file holds them. A block of zeros has the scale 1.
    """
    block = block_of(bits, columns.shape[1])
    padded = nn.functional.pad(columns.float(), (0, -columns.shape[1] % block))
    scales = padded.reshape(len(columns), -1, block).abs().amax(dim=2) / MOST[bits]
    held = scales.bfloat16().float() if bits == 4 else scales
    return torch.where(held > 0, held, torch.ones_like(held))


def coded(columns: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Return the nearest codes of entries, as floats; the two tensors have one shape or fit each other."""
    return (columns / scales).round().clamp(-MOST[bits], MOST[bits])
