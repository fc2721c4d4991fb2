"""Bit operations: multiplications counted by the bits of what is multiplied, as weights of few bits save no FLOPs.

A multiplication of a weight of w bits and an activation of a bits counts w × a (Baskin et al. 2021, UNIQ). Weights of
8 bits are multiplied with activations of 8 bits, all others with float32.
"""

from __future__ import annotations

FULL = 32 * 32  # of one multiplication in float32


def per_multiplication(bits: int) -> int:
    """Return the bit operations of a multiplication by a weight of so many bits, 8 or another number."""
    return bits * (8 if bits == 8 else 32)
