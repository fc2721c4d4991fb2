"""FLOPs of one inference of an encoder: counted by running it, two per multiply-accumulate of every matrix product.

Matrix products see one token per sequence, every token, or every pair of tokens, so the FLOPs are a quadratic in the
length. Counts at three lengths give its coefficients, and a fourth count checks them; a mean over lengths then needs
no more counting. Where the check fails, every length is counted. Images have one length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from objectives.device import device_of
from objectives.networks import UncountableModelError, count_network_flops

STEP = 4  # tokens between the counted lengths
COUNTED = tuple(STEP * (i + 1) for i in range(4))


class FlopCount(Protocol):
    """FLOPs as a function of the length."""

    def mean(self, lengths: ArrayLike) -> float:
        """Return the mean FLOPs per sequence over `lengths` `(n,)`, unpadded tokens. Raises `ValueError` if empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopLaw:
    """FLOPs of one sequence of s tokens: `per_sequence + per_token·s + per_token_pair·s²`."""

    per_sequence: int
    per_token: int
    per_token_pair: int

    def of(self, length: int) -> int:
        """Return the FLOPs of one sequence of `length` tokens."""
        return self.per_sequence + self.per_token * length + self.per_token_pair * length * length

    def mean(self, lengths: ArrayLike) -> float:
        """Return the mean FLOPs per sequence over `lengths` `(n,)`, unpadded tokens. Raises `ValueError` if empty."""
        tokens = _checked(lengths)
        return sum(map(self.of, tokens)) / len(tokens)


@dataclass(frozen=True, slots=True)
class EveryLength:
    """FLOPs of a model whose count is no quadratic in the length: counted at each."""

    count: Callable[[int], int]  # of one sequence of a length

    def mean(self, lengths: ArrayLike) -> float:
        """Return the mean FLOPs per sequence over `lengths` `(n,)`, unpadded tokens. Raises `ValueError` if empty."""
        tokens = _checked(lengths)
        counted = {length: self.count(length) for length in set(tokens)}
        return sum(counted[length] for length in tokens) / len(tokens)


def count_flops(model: nn.Module, lengths: ArrayLike) -> float:
    """Return the mean FLOPs of one inference over unpadded `lengths` `(n,)`. Raises `UncountableModelError`."""
    return mean_flops(partial(_counted, model), lengths)


def mean_flops(count: Callable[[int], int], lengths: ArrayLike) -> float:
    """Return the mean over unpadded `lengths` `(n,)` of what is counted at a length."""
    tokens = set(_checked(lengths))
    if len(tokens) < len(COUNTED) and sum(tokens) <= sum(COUNTED):  # counting them is less work than finding the law
        return EveryLength(count).mean(lengths)
    return _by_length(count).mean(lengths)


def flop_count(model: nn.Module) -> FlopCount:
    """Return the FLOPs of a model by length. Raises `UncountableModelError` where a layer hides its arithmetic."""
    return _by_length(partial(_counted, model))


def _by_length(count: Callable[[int], int]) -> FlopCount:
    first, second, third, _ = counts = list(map(count, COUNTED))
    per_pair = (third - 2 * second + first) // (2 * STEP * STEP)
    per_token = (second - first) // STEP - 3 * STEP * per_pair
    law = FlopLaw(
        per_sequence=first - STEP * per_token - STEP * STEP * per_pair, per_token=per_token, per_token_pair=per_pair
    )
    fits = list(map(law.of, COUNTED)) == counts
    return law if fits else EveryLength(count)


def flops_per_unit(dense: FlopCount, smaller: FlopCount, *, removed: int, lengths: ArrayLike) -> float:
    """Return the mean FLOPs over `lengths` of each of the `removed` units that `smaller` lacks, all alike."""
    if not (isinstance(dense, FlopLaw) and isinstance(smaller, FlopLaw)):
        return (dense.mean(lengths) - smaller.mean(lengths)) / removed
    tokens = np.asarray(_checked(lengths), dtype=np.float64)
    powers = (1.0, float(tokens.mean()), float(np.square(tokens).mean()))
    spent = zip(astuple(dense), astuple(smaller), strict=True)  # whole numbers: no digit is lost before the means
    return float(sum((more - less) / removed * power for (more, less), power in zip(spent, powers, strict=True)))


def _checked(lengths: ArrayLike) -> list[int]:
    tokens = [int(length) for length in np.asarray(lengths).ravel()]
    if not tokens or min(tokens) < 1:
        raise ValueError("lengths: give at least one length, each of at least one token")
    return tokens


def request_flops(model: nn.Module, inputs: Mapping[str, Tensor]) -> FlopLaw:
    """Return the FLOPs of inputs of one shape, the first dimension of which is 1. Raises `UncountableModelError`."""
    return FlopLaw(per_sequence=_count(model, inputs), per_token=0, per_token_pair=0)


def _counted(model: nn.Module, length: int) -> int:
    return _count(model, {"input_ids": torch.ones(1, length, dtype=torch.long, device=device_of(model))})


def _count(model: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    for name, module in model.named_modules():
        # quantised and packed layers hide their weights, but not that they have input features
        if hasattr(module, "in_features") and not isinstance(module, nn.Linear):
            raise UncountableModelError(f"{name} is a {type(module).__name__}: its matrix products are not known here")
    return int(count_network_flops(model, inputs))
