"""Mantissa: float32 weights whose lowest bits are zero, and a storage that leaves these bits out.

A float32 has a sign, eight bits of exponent and 23 of mantissa, the lowest ones last. Zeroing more than 23 bits
reaches into the exponent, and 31 leaves the sign alone. Such weights run on the same float32 kernels as any others:
zeroed bits make the stored file smaller, and no computation faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

WORD, MANTISSA = 32, 23
MOST = WORD - 1  # bits that can be zeroed: one is left
AT_ONCE = 1 << 20  # weights packed in one go, a multiple of 8: whole bytes, and 32 MiB of memory


@torch.no_grad()
def zero_bits(model: nn.Module, bits: int) -> None:
    """Zero the lowest bits, 0 to 31, of every parameter of a model in place; buffers stay as they are."""
    for parameter in model.parameters():
        _words(parameter).bitwise_and_(_mask(bits))


def zeroed(weight: Tensor, bits: int) -> Tensor:
    """Return a copy of a float32 tensor whose lowest bits, 0 to 31, are zero."""
    return (_words(weight) & _mask(bits)).view(torch.float32)


def spare_bits(weights: Iterable[Tensor]) -> int:
    """Return how many lowest bits are zero in every weight of every float32 tensor, 31 at most."""
    used = 0
    for weight in weights:
        words = _words(weight.detach()).cpu().numpy().view(np.uint32)
        used |= int(np.bitwise_or.reduce(words, axis=None))
    return min(MOST, (used & -used).bit_length() - 1) if used else MOST


def largest(holds: Callable[[int], bool], most: int = MOST) -> int:
    """Return by bisection a number up to `most` that holds while the next one does not; 0 is taken to hold.

    Where it holds below some number and not above, this is the largest that holds.
    """
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def packed(weight: Tensor, bits: int) -> NDArray[np.uint8]:
    """Return a float32 tensor in 32 − `bits` bits per weight, the last byte filled up with zeros.

    Raises `ValueError` where one of the bits to be left out is not zero.
    """
    words = _words(weight.detach()).cpu().numpy().view(np.uint32).ravel()
    if spare_bits([weight]) < bits:
        raise ValueError(f"bits: the lowest {bits} of some weight are not zero; zero them before packing")
    parts = [_shortened(words[first : first + AT_ONCE], bits) for first in range(0, len(words), AT_ONCE)]
    return np.concatenate([np.empty(0, np.uint8), *parts])


def unpacked(content: NDArray[np.uint8], bits: int, shape: Iterable[int]) -> Tensor:
    """Return the float32 tensor of this shape that `packed` was given, bit for bit."""
    size = torch.Size(shape)
    every, width = AT_ONCE * (WORD - bits) // 8, WORD - bits
    if len(content) != packed_bytes(size.numel(), bits):
        raise ValueError(f"bits: {len(content)} bytes are not {size.numel()} weights of {width} bits")
    parts = [_widened(content[first : first + every], bits) for first in range(0, len(content), every)]
    words = np.concatenate([np.empty(0, np.uint32), *parts])[: size.numel()]
    return torch.from_numpy(words.view(np.float32)).reshape(size)


def packed_bytes(weights: int, bits: int) -> int:
    """Return the bytes that so many weights take without their lowest `bits`."""
    _mask(bits)
    return -(-weights * (WORD - bits) // 8)


def _shortened(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint8]:
    each = np.unpackbits(words.astype(">u4").view(np.uint8).reshape(-1, 4), axis=1)  # the highest bit first
    return np.packbits(each[:, : WORD - bits])


def _widened(content: NDArray[np.uint8], bits: int) -> NDArray[np.uint32]:
    width = WORD - bits
    kept = np.unpackbits(content, count=len(content) * 8 // width * width).reshape(-1, width)
    each = np.zeros((len(kept), WORD), np.uint8)
    each[:, :width] = kept
    return np.packbits(each, axis=1).view(">u4").astype(np.uint32).ravel()


def _words(weight: Tensor) -> Tensor:
    """Return the bits of a float32 tensor as int32, on the same memory."""
    if weight.dtype != torch.float32:
        raise ValueError(f"bits: these are zeroed in float32 weights, got {weight.dtype}")
    return weight.data.view(torch.int32)


def _mask(bits: int) -> int:
    if not 0 <= bits <= MOST:
        raise ValueError(f"bits: of {WORD} bits 0 to {MOST} can be zeroed, got {bits}")
    return -1 << bits
