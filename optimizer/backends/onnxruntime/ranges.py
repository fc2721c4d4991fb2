"""Ranges: between which values the tensors lie that a graph holds as integers of fixed scales.

A network of convolutions has its activations in 8 bits throughout, each tensor with a scale that a few calibration
examples gave; the answer to an image then does not depend on its neighbours. Values beyond a range are cut off where
the smaller steps of all others are worth it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from search_spaces.layouts.requests import Inputs
from search_spaces.layouts.stored import stored_of

LOOKED_AT = 20_000  # values of a tensor in one batch, its extremes besides
STEPS = 255  # of a range
SHARES = torch.linspace(0.2, 1, 33)  # of the extremes, at which a range may end


@dataclass(frozen=True, slots=True)
class Range:
    """From `low`, at most 0, to `high`, at least 0, in `STEPS` steps."""

    low: float
    high: float

    @property
    def scale(self) -> float:
        """The size of a step; 1 for a tensor of zeros."""
        return (self.high - self.low) / STEPS or 1.0

    @property
    def zero(self) -> int:
        """The step that stands for 0."""
        return round(-self.low / self.scale)

    def rounded(self, values: Tensor) -> Tensor:
        """Return values as the steps that stand for them."""
        return ((values / self.scale).round() + self.zero).clamp(0, STEPS).sub(self.zero).mul(self.scale)


def least_error(values: Tensor) -> Range:
    """Return the range of least squared error: of what it cuts off, and of rounding, a twelfth of a step squared.

    Zeros are exact in every range (Banner et al. 2019, ACIQ, for values of any distribution).
    """
    least, most = values.aminmax()
    lows, highs = least.clamp(max=0) * SHARES, most.clamp(min=0) * SHARES
    below, above = (lows[:, None] - values).clamp(min=0), (values - highs[:, None]).clamp(min=0)
    cut = below.square().sum(1)[:, None] + above.square().sum(1)
    steps = (highs - lows[:, None]) / STEPS
    best = int((cut + values.count_nonzero() * steps.square() / 12).argmin())
    return Range(float(lows[best // len(SHARES)]), float(highs[best % len(SHARES)]))


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of values that some examples gave, by the path of a module that reads or writes them."""

    values_read: dict[str, list[Tensor]] = field(default_factory=dict)
    values_written: dict[str, list[Tensor]] = field(default_factory=dict)

    def read(self, path: str) -> Range:
        """Return the range of what a module reads."""
        return least_error(torch.cat(self.values_read[path]))

    def written(self, path: str, *, above_zero: bool) -> Range:
        """Return the range of what a module writes, or of what ReLU leaves of it."""
        values = torch.cat(self.values_written[path])
        return least_error(values.clamp(min=0) if above_zero else values)


def is_fixed(model: nn.Module) -> bool:
    """Whether a model's integers have fixed scales: where most layers with 8-bit weights are convolutions."""
    of_eight = [layer for layer in model.modules() if (stored := stored_of(layer)) and stored.bits == 8]
    linear = sum(isinstance(layer, nn.Linear) for layer in of_eight)
    return sum(isinstance(layer, nn.Conv2d) for layer in of_eight) > linear


@torch.inference_mode()
def ranges_of(model: nn.Module, batches: Iterable[Inputs]) -> Ranges:
    """Return the ranges in a model on a few examples."""
    seen, handles = Ranges(), []
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
            handles.append(layer.register_forward_hook(partial(_note, seen, path)))
    try:
        for batch in batches:
            model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _note(seen: Ranges, path: str, _layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    for known, tensor in ((seen.values_read, inputs[0]), (seen.values_written, output)):
        values = tensor.flatten()
        some = [values[:: max(1, len(values) // LOOKED_AT)], torch.stack(values.aminmax())]
        known.setdefault(path, []).append(torch.cat(some).float().cpu())
